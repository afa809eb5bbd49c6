//! A place in the workspace for every buffer.

use super::program::{Place, Step};

/// Gives every buffer a place in the workspace that no other has while it is
/// in use, first fit; returns the workspace's size.
pub(super) fn place(steps: &mut [Step], buffers: &[usize]) -> usize {
    let mut uses = vec![(usize::MAX, 0); buffers.len()];
    for (time, step) in steps.iter().enumerate() {
        for place in step.inputs.iter().chain([&step.output]) {
            if let Place::Workspace { begin: buffer, .. } = place {
                let (first, last) = &mut uses[*buffer];
                (*first, *last) = (time.min(*first), time.max(*last));
            }
        }
    }
    let mut begins: Vec<usize> = Vec::new();
    for (buffer, &len) in buffers.iter().enumerate() {
        // Buffers are numbered in the order in which they are first used.
        let (first, _) = uses[buffer];
        let mut taken: Vec<_> = (0..buffer)
            .filter(|other| uses[*other].1 >= first)
            .map(|other| (begins[other], begins[other] + buffers[other]))
            .collect();
        taken.sort_unstable();
        let begin = taken.iter().fold(0, |begin, &(from, to)| {
            if begin + len <= from {
                begin
            } else {
                begin.max(to)
            }
        });
        begins.push(begin);
    }
    for step in steps {
        for place in step.inputs.iter_mut().chain([&mut step.output]) {
            if let Place::Workspace { begin, .. } = place {
                *begin = begins[*begin];
            }
        }
    }
    let ends = begins.iter().zip(buffers).map(|(begin, len)| begin + len);
    ends.max().unwrap_or(0)
}
