//! `multipart/form-data` (RFC 7578): the parts of a body that is there as a whole. Nothing is copied but names.

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::http::problem::Problem;

/// More than any form for a picture has.
const MAX_PARTS: usize = 16;
const MAX_PART_HEADERS: usize = 16;

/// A field of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub name: String,
    pub content: Bytes,
}

/// The fields of a form, in their order.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, Problem> {
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = Finder::new(&delimiter);
    // The first one may stand at the very beginning, without a line end before it.
    let first = &delimiter.needle()[2..];
    let mut rest = if body.starts_with(first) {
        body.slice(first.len()..)
    } else {
        let at = delimiter.find(body).ok_or_else(no_form)?;
        body.slice(at + delimiter.needle().len()..)
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        if parts.len() == MAX_PARTS {
            let detail = format!("the form has more than {MAX_PARTS} fields");
            return Err(Problem::invalid(detail));
        }
        let begin = after_line_end(&rest).ok_or_else(no_form)?;
        let (name, content) = headers(&rest[begin..])?;
        let content = begin + content;
        // From the line end before the content, as empty content has no other.
        let end = delimiter.find(&rest[content - 2..]).ok_or_else(cut_off)? + content - 2;
        parts.push(Part {
            name,
            content: rest.slice(content..end.max(content)),
        });
        rest = rest.slice(end + delimiter.needle().len()..);
    }
    Ok(parts)
}

/// Where the line ends that a boundary stands on, behind which only blanks may be.
fn after_line_end(rest: &[u8]) -> Option<usize> {
    let blanks = rest
        .iter()
        .take_while(|&&byte| byte == b' ' || byte == b'\t')
        .count();
    rest[blanks..].starts_with(b"\r\n").then_some(blanks + 2)
}

/// The name of a part, and where its content begins.
fn headers(part: &[u8]) -> Result<(String, usize), Problem> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_PART_HEADERS];
    let Ok(httparse::Status::Complete((length, headers))) =
        httparse::parse_headers(part, &mut headers)
    else {
        return Err(no_form());
    };
    let disposition = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-disposition"))
        .and_then(|header| std::str::from_utf8(header.value).ok());
    let name = disposition.and_then(|value| {
        let mut parameters = parameters(value);
        Some(
            parameters
                .find(|(name, _)| name.eq_ignore_ascii_case("name"))?
                .1,
        )
    });
    let no_name =
        "a part of the form has no name: it needs Content-Disposition: form-data; name=\"file\"";
    Ok((name.ok_or_else(|| Problem::invalid(no_name))?, length))
}

/// The parameters of a header's value, `; name=value` or `; name="value"`.
pub(super) fn parameters(value: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = value.find(';').map_or("", |at| &value[at..]);
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([';', ' ', '\t']);
            let (name, after) = rest.split_at(rest.find([';', '='])?);
            // A parameter without a value is passed over.
            let Some(after) = after.strip_prefix('=') else {
                rest = after;
                continue;
            };
            let text;
            (text, rest) = token(after);
            return Some((name.trim(), text));
        }
    })
}

/// A value, quoted or not, and what comes after it.
fn token(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let (mut read, mut escaped) = (String::new(), false);
    for (at, char) in quoted.char_indices() {
        match char {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (read, &quoted[at + 1..]),
            _ => {
                read.push(char);
                escaped = false;
            }
        }
    }
    (read, "")
}

fn no_form() -> Problem {
    Problem::unsupported(
        "the body is no multipart/form-data with the boundary that the Content-Type names: let the client set both",
    )
}

fn cut_off() -> Problem {
    Problem::invalid("the form ends before its last boundary: send all of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Vec<(String, String)>> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let parts = parts(&body, "X").ok()?;
        let text = |part: Part| (part.name, String::from_utf8(part.content.to_vec()).unwrap());
        Some(parts.into_iter().map(text).collect())
    }

    fn own(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn a_form_is_read_whatever_stands_around_it() {
        let field =
            "Content-Disposition: form-data; filename=\"a;\\\"b=c\"; name=\"file\"\r\nX: y\r\n\r\n";
        let other = "content-disposition: form-data; name=fit\r\n\r\n";
        let wanted = own(&[("file", "\r\n--Y\r\n"), ("fit", "")]);
        for (before, blank) in [("", ""), ("preamble\r\n", " \t")] {
            let body = format!(
                "{before}--X{blank}\r\n{field}\r\n--Y\r\n\r\n--X\r\n{other}\r\n--X--\r\nepilogue"
            );
            assert_eq!(read(&body).as_ref(), Some(&wanted), "{body}");
        }
        assert_eq!(read("--X--"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_form_is_refused_wherever_it_is_cut() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nabc\r\n--X--";
        assert!(read(body).is_some());
        for end in 0..body.len() {
            assert_eq!(read(&body[..end]), None, "{}", &body[..end]);
        }
        let many =
            "\r\n--X\r\nContent-Disposition: form-data; name=a\r\n\r\n".repeat(MAX_PARTS + 1);
        assert_eq!(read(&format!("{many}\r\n--X--")), None);
        assert_eq!(
            read("--X\r\nContent-Type: text/plain\r\n\r\na\r\n--X--"),
            None
        );
    }

    #[test]
    fn parameters_are_read_quoted_or_not() {
        let read = |value| parameters(value).collect::<Vec<_>>();
        let wanted = |pairs: &[(&'static str, &str)]| {
            let own = |&(name, value): &(&'static str, &str)| (name, value.to_owned());
            pairs.iter().map(own).collect::<Vec<_>>()
        };
        assert_eq!(
            read("a; b=c ; d=\"e;f\\\"\"; g; h=i"),
            wanted(&[("b", "c"), ("d", "e;f\""), ("h", "i")])
        );
        assert_eq!(read("a; b=\"c"), wanted(&[("b", "c")]));
        assert_eq!(read("a;;=;"), wanted(&[("", "")]));
        assert!(read("a=b").is_empty());
    }

    #[test]
    fn parameters_without_a_value_are_passed_over_each_once() {
        // Megabytes of them would take hours if each looked at all the others.
        let header = format!("form-data{};name=\"x\"", ";a".repeat(2_000_000));
        let read: Vec<_> = parameters(&header).collect();
        assert_eq!(read, [("name", "x".to_owned())]);
    }
}
