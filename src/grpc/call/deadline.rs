//! How long a call may take.

use std::time::Duration;

use http::HeaderMap;

/// Longest until an answer begins: as long as the client waits (`grpc-timeout`), and no longer than the server does.
pub(crate) fn patience(headers: &HeaderMap, longest: Duration) -> Duration {
    asked(headers).map_or(longest, |asked| asked.min(longest))
}

/// `grpc-timeout`: at most 8 digits and a unit (gRPC over HTTP/2, "Request-Headers").
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_str(text).unwrap());
            asked(&headers)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("1H"), Some(Duration::from_hours(1)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for broken in ["", "m", "12", "1x", "123456789S", "-1S"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
