//! The kiln side of `compare.py`: reads a model, then answers commands on standard input.
//!
//! `engine MODEL INPUT`, with the input's examples as raw little-endian floats.
//! `answer BATCH` prints the outputs; `time BATCH REPEATS THREADS` prints the
//! seconds a batch takes, each thread with batches of its own. A batch goes in
//! as a `Vec` and comes out as one, as in the server.

use std::error::Error;
use std::hint::black_box;
use std::io::{Write, stdin, stdout};
use std::sync::Barrier;
use std::time::Instant;

use kiln::keras;
use kiln::network::{Backend, Network};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(input)) = (arguments.next(), arguments.next()) else {
        return Err("usage: engine MODEL INPUT".into());
    };
    let model = keras::read(&std::fs::read(model)?)?;
    let network = Network::new(model, Backend::Flex)?;
    let input = std::fs::read(input)?;
    let values = input.as_chunks().0.iter();
    let input: Vec<f32> = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    for line in stdin().lines() {
        println!("{}", answer(&network, &input, &line?)?);
        stdout().flush()?;
    }
    Ok(())
}

fn answer(network: &Network, input: &[f32], line: &str) -> Result<String, Box<dyn Error>> {
    let mut words = line.split_whitespace();
    let command = words.next();
    let mut number = || {
        words
            .next()
            .ok_or("a number is missing")?
            .parse::<usize>()
            .map_err(Box::<dyn Error>::from)
    };
    let batch = number()?;
    let len = batch * network.input_len();
    let examples = input
        .get(..len)
        .ok_or("the input has fewer examples than that")?;
    if command == Some("answer") {
        let outputs = network.infer(examples.to_vec(), batch)?;
        let words: Vec<_> = outputs.iter().map(ToString::to_string).collect();
        return Ok(words.join(" "));
    }
    let (repeats, threads) = (number()?, number()?);
    let work = || {
        for _ in 0..repeats {
            let input = black_box(examples.to_vec());
            black_box(network.infer(input, batch).expect("an answer"));
        }
    };
    // Starting a thread takes as long as some networks do.
    let all_are_there = Barrier::new(threads);
    let began = std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| {
                all_are_there.wait();
                work();
            });
        }
        all_are_there.wait();
        let began = Instant::now();
        work();
        began
    });
    let seconds = began.elapsed().as_secs_f64() / repeats as f64;
    Ok(format!("{seconds:e}"))
}
