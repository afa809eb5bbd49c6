//! Who a request comes from.

use std::net::IpAddr;

use tonic::Request;

/// The header a proxy writes the address of its own peer into, after any that were there.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address at the other end of the connection, or, where a proxy is trusted to tell it, the
/// last one in `x-forwarded-for`: the others are what the client says of itself.
pub(super) fn address<T>(request: &Request<T>, trust_forwarded_for: bool) -> Option<IpAddr> {
    let forwarded = || {
        let header = request
            .metadata()
            .get_all(FORWARDED_FOR)
            .iter()
            .next_back()?;
        header
            .to_str()
            .ok()?
            .rsplit(',')
            .next()?
            .trim()
            .parse()
            .ok()
    };
    trust_forwarded_for
        .then(forwarded)
        .flatten()
        .or_else(|| Some(request.remote_addr()?.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_and_only_its_own_word_counts() {
        let mut request = Request::new(());
        let headers = request.metadata_mut();
        headers.append(FORWARDED_FOR, "203.0.113.9".parse().unwrap());
        headers.append(FORWARDED_FOR, "198.51.100.1, 192.0.2.7".parse().unwrap());
        assert_eq!(address(&request, false), None);
        assert_eq!(address(&request, true), Some([192, 0, 2, 7].into()));
    }
}
