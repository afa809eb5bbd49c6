//! The query of a URL.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Names and values, as a browser encodes a form. What is no UTF-8 is replaced.
pub(in crate::http) fn pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = query.unwrap_or_default().split('&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> String {
    let text = if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_a_browser_writes_it() {
        let read = |query| pairs(Some(query)).collect::<Vec<_>>();
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("a=%C3%A9+b&&c&d=e=f"),
            [own("a", "é b"), own("c", ""), own("d", "e=f")]
        );
        assert_eq!(read("%zz=%ff"), [own("%zz", "\u{fffd}")]);
        assert_eq!(pairs(None).count(), 0);
    }
}
