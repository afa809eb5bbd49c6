//! Formats of pictures that people have and that are not read here: what they are called, and what to do.

/// A format that is recognised and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreadFormat {
    /// What an iPhone's camera saves.
    Heic,
    Avif,
    Tiff,
    Pdf,
    Svg,
    JpegXl,
    Jpeg2000,
    /// Photoshop's.
    Psd,
}

/// An SVG's first element may stand behind a comment, but not behind more than this.
const SVG_HEAD: usize = 1024;

impl UnreadFormat {
    /// The format of a file that starts so, if it is one of these. The first KiB of it is enough.
    #[must_use]
    pub fn of(first_bytes: &[u8]) -> Option<Self> {
        match first_bytes {
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => {
                Self::of_brands(first_bytes, brands)
            }
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            [b'8', b'B', b'P', b'S', 0, 1 | 2, ..] => Some(Self::Psd),
            [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Some(Self::JpegXl),
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => {
                Some(Self::Jpeg2000)
            }
            _ => is_svg(first_bytes).then_some(Self::Svg),
        }
    }

    /// The first box of an ISO base media file is as long as its first four bytes say, and names the brands that the
    /// file belongs to, the major one and its version first.
    fn of_brands(first_bytes: &[u8], brands: &[u8]) -> Option<Self> {
        let length = first_bytes
            .first_chunk()
            .map_or(0, |&length| u32::from_be_bytes(length)) as usize;
        let brands = &brands[..brands.len().min(length.saturating_sub(8))];
        let has = |wanted: &[&[u8; 4]]| {
            brands
                .as_chunks()
                .0
                .iter()
                .any(|brand| wanted.contains(&brand))
        };
        if has(&[b"avif", b"avis"]) {
            Some(Self::Avif)
        } else if has(&[
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
        ]) {
            Some(Self::Heic)
        } else {
            None // A film.
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::Tiff => "TIFF",
            Self::Pdf => "PDF",
            Self::Svg => "SVG",
            Self::JpegXl => "JPEG XL",
            Self::Jpeg2000 => "JPEG 2000",
            Self::Psd => "PSD",
        }
    }

    /// What to do instead of sending it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Heic => {
                "send it as JPEG; an iPhone takes JPEG after Settings > Camera > Formats > Most Compatible, \
                 and \"sips -s format jpeg IN.heic --out OUT.jpg\" converts on a Mac"
            }
            Self::Avif | Self::JpegXl | Self::Jpeg2000 => "save it as PNG or JPEG and send that",
            Self::Tiff | Self::Psd => "export it as PNG and send that",
            Self::Pdf => {
                "save its page as PNG (\"pdftoppm -png -r 150 IN.pdf OUT\"), or scan to JPEG"
            }
            Self::Svg => "export it as PNG (\"rsvg-convert IN.svg -o OUT.png\") and send that",
        }
    }
}

fn is_svg(first_bytes: &[u8]) -> bool {
    let head = &first_bytes[..first_bytes.len().min(SVG_HEAD)];
    let head = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    head.starts_with(b"<") && head.windows(4).any(|name| name == b"<svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_its_first_bytes() {
        let cases: [(&[u8], _); 14] = [
            (
                b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
                Some(UnreadFormat::Heic),
            ),
            (
                b"\0\0\0\x18ftypmif1\0\0\0\0heicmif1",
                Some(UnreadFormat::Heic),
            ),
            (
                b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf",
                Some(UnreadFormat::Avif),
            ),
            (b"\0\0\0\x14ftypisom\0\0\x02\0mp41", None),
            (b"\0\0\0\x10ftypisom\0\0\x02\0heic", None),
            (b"\0\0\0\0ftyp", None),
            (b"II*\0\x08\0\0\0", Some(UnreadFormat::Tiff)),
            (b"MM\0*\0\0\0\x08", Some(UnreadFormat::Tiff)),
            (b"%PDF-1.7\n", Some(UnreadFormat::Pdf)),
            (
                b"<svg xmlns='http://www.w3.org/2000/svg'>",
                Some(UnreadFormat::Svg),
            ),
            (
                b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- a\ndrawing --><svg>",
                Some(UnreadFormat::Svg),
            ),
            (b"<html><body>", None),
            (b"a <svg", None),
            (b"\x89PNG\r\n\x1a\n", None),
        ];
        for (bytes, format) in cases {
            assert_eq!(UnreadFormat::of(bytes), format, "{}", bytes.escape_ascii());
            for end in 0..bytes.len() {
                let _any = UnreadFormat::of(&bytes[..end]);
            }
        }
    }
}
