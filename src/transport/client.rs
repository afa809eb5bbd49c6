//! Who a request comes from.

use std::net::IpAddr;

use http::HeaderMap;

/// The header a proxy writes the address of its own peer into, after any that were there.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The last address in `x-forwarded-for`, which the proxy in front wrote: the others are what the
/// client says of itself.
pub(super) fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let header = headers.get_all(FORWARDED_FOR).iter().next_back()?;
    let last = header.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nearest_proxys_own_word_counts() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, "203.0.113.9".parse().unwrap());
        headers.append(FORWARDED_FOR, "198.51.100.1, 192.0.2.7".parse().unwrap());
        assert_eq!(forwarded(&headers), Some([192, 0, 2, 7].into()));
        assert_eq!(forwarded(&HeaderMap::new()), None);
    }
}
