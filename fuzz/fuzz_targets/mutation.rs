//! Changes that keep most of a file whole: a value in the JSON, a number in the HDF5.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Number, Value, json};

use super::parts;

/// Numbers at which readers fail.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    8,
    255,
    256,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 40,
    1 << 63,
    u64::MAX,
];

/// Changes `data[..size]` in place; the new size.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed) << 1 | 1);
    if random.below(4) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let changed = match parts::split(&data[..size]) {
        Some((config, weights)) => change_parts(data[0], config, weights, &mut random),
        None => change_file(&data[..size], &mut random),
    };
    match changed {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

fn change_parts(kind: u8, config: &[u8], weights: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    if random.below(2) == 0 {
        let mut weights = weights.to_vec();
        change_numbers(&mut weights, random)?;
        return Some(parts::join(kind, config, &weights));
    }
    let config = change_json(config, random)?;
    Some(parts::join(kind, &config, weights))
}

/// A whole file: numbers anywhere, or the JSON inside an HDF5 file, in its place.
fn change_file(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut file = file.to_vec();
    let begin = file
        .windows(14)
        .position(|text| text == b"{\"class_name\":");
    if let (Some(begin), true) = (begin, random.below(2) == 0) {
        let length = json_length(&file[begin..])?;
        let mut text = change_json(&file[begin..begin + length], random)?;
        if text.len() > length {
            return None;
        }
        text.resize(length, b' ');
        file[begin..begin + length].copy_from_slice(&text);
    } else {
        change_numbers(file.get_mut(1..)?, random)?;
    }
    Some(file)
}

fn json_length(text: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Some numbers, each of 1, 2, 4 or 8 bytes where it may be one.
fn change_numbers(bytes: &mut [u8], random: &mut Random) -> Option<()> {
    for _ in 0..=random.below(3) {
        let width = 1 << random.below(4);
        let at = random.below(bytes.len().checked_sub(width)?.max(1)) / width * width;
        let value = match random.below(3) {
            0 => NUMBERS[random.below(NUMBERS.len())],
            // An address in the file, perhaps of something else.
            1 => random.below(bytes.len()) as u64 & !7,
            _ => random.next(),
        };
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    Some(())
}

fn change_json(text: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(text).ok()?;
    for _ in 0..=random.below(2) {
        let count = count(&root);
        let other = nth(&mut root, &mut random.below(count))?.clone();
        let place = nth(&mut root, &mut random.below(count))?;
        change_value(place, other, random);
    }
    serde_json::to_vec(&root).ok()
}

fn change_value(place: &mut Value, other: Value, random: &mut Random) {
    let number = NUMBERS[random.below(NUMBERS.len())];
    match (random.below(8), &mut *place) {
        (0 | 1, Value::Array(items)) if !items.is_empty() => {
            let at = random.below(items.len());
            items.remove(at);
        }
        (2 | 3, Value::Array(items)) if !items.is_empty() => {
            let copy = items[random.below(items.len())].clone();
            items.insert(random.below(items.len()), copy);
        }
        (4, Value::Array(items)) => items.reverse(),
        (0..=4, Value::Object(fields)) if !fields.is_empty() => {
            let key = fields.keys().nth(random.below(fields.len())).cloned();
            key.map(|key| fields.remove(&key));
        }
        (0..=3, Value::Number(_)) => *place = Value::Number(Number::from(number)),
        (4, Value::Number(_)) => *place = json!(-1.5e300),
        (5, _) => *place = Value::Null,
        (6, _) => *place = json!([number, number]),
        _ => *place = other,
    }
}

fn children(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that comes `left`-th in order.
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    for child in children(value) {
        let size = count(child);
        if *left < size {
            return nth(child, left);
        }
        *left -= size;
    }
    None
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}
