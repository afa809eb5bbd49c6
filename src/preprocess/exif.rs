//! The one thing that is taken from EXIF data: which way up the picture is.

/// EXIF's orientation tag (0x0112): how the stored picture is turned to be seen upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Rows and columns change places, before the mirrors below.
    pub transpose: bool,
    pub mirror_x: bool,
    pub mirror_y: bool,
}

impl Orientation {
    /// Reads the tag from a TIFF block (with or without `Exif\0\0` before it). Whatever is damaged
    /// or missing means upright.
    pub fn from_exif(exif: &[u8]) -> Self {
        read_tag(exif).map_or_else(Self::default, Self::from_tag)
    }

    /// The eight values of the EXIF 2.32 specification, section 4.6.4.
    fn from_tag(tag: u16) -> Self {
        let (transpose, mirror_x, mirror_y) = match tag {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self {
            transpose,
            mirror_x,
            mirror_y,
        }
    }
}

fn read_tag(exif: &[u8]) -> Option<u16> {
    const ORIENTATION: u16 = 0x0112;
    const ENTRY: usize = 12;
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    };
    let offset: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let directory = usize::try_from(if little {
        u32::from_le_bytes(offset)
    } else {
        u32::from_be_bytes(offset)
    })
    .ok()?;
    let entries = usize::from(short(directory)?);
    let first = directory.checked_add(2)?;
    (0..entries)
        .map_while(|i| first.checked_add(i * ENTRY))
        .find(|&at| short(at) == Some(ORIENTATION))
        .and_then(|at| short(at.checked_add(8)?))
}
