//! Where each buffer lies in the workspace.

use super::program::{Call, Location};

/// Gives every buffer memory in the workspace that no other buffer has while it is in use, first
/// fit. Returns the workspace's size.
pub(super) fn allocate(calls: &mut [Call], buffers: &[usize]) -> usize {
    let mut uses = vec![(usize::MAX, 0); buffers.len()];
    for (time, call) in calls.iter().enumerate() {
        for location in call.inputs.iter().chain([&call.output]) {
            if let Location::Workspace { begin: buffer, .. } = location {
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
    for call in calls {
        for location in call.inputs.iter_mut().chain([&mut call.output]) {
            if let Location::Workspace { begin, .. } = location {
                *begin = begins[*begin];
            }
        }
    }
    let ends = begins.iter().zip(buffers).map(|(begin, len)| begin + len);
    ends.max().unwrap_or(0)
}
