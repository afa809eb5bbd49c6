//! What may be said beside the picture: in the query, in a form's fields, in JSON.

use crate::http::problem::Problem;
use crate::preprocess::Fit;
use crate::serving::{Picture, PictureRequest, USUAL_TOP};

/// Longest value that is shown back, in characters.
const SHOWN: usize = 64;

/// The options of a request; what is said last counts.
#[derive(Debug)]
pub(in crate::http) struct Options {
    pub model: String,
    pub version: String,
    pub fit: Fit,
    pub show_input: bool,
    /// How many classes to list, at least one.
    pub top_k: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: String::new(),
            version: String::new(),
            fit: Fit::default(),
            show_input: false,
            top_k: USUAL_TOP,
        }
    }
}

impl Options {
    /// Sets the option of that name, if there is one: what else a URL or a form has is somebody else's.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "model" => value.clone_into(&mut self.model),
            "version" => value.clone_into(&mut self.version),
            "fit" => {
                self.fit = match value {
                    "auto" => Fit::Auto,
                    "resize" => Fit::Resize,
                    "digit" => Fit::Digit,
                    _ => return Err(unknown("fit", value, "auto, resize or digit")),
                }
            }
            "show_input" => {
                self.show_input = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(unknown("show_input", value, "true or false")),
                }
            }
            "top_k" => {
                let count = value.parse::<u32>().ok().filter(|&count| count > 0);
                let count =
                    count.ok_or_else(|| unknown("top_k", value, "a whole number from 1 on"));
                self.top_k = count? as usize;
            }
            _ => {}
        }
        Ok(())
    }

    /// The request for what this picture shows.
    pub fn request(self, picture: Picture) -> PictureRequest {
        PictureRequest {
            input: Some(picture),
            model: self.model,
            version: self.version,
            fit: self.fit,
            show_input: self.show_input,
        }
    }
}

fn unknown(name: &'static str, value: &str, values: &str) -> Problem {
    let value: String = value
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    Problem::invalid(format!("{name} is '{value}'; it must be {values}")).of(name)
}
