//! Which of Burn's CPU backends computes.

use std::{fmt, str::FromStr};

use burn::tensor::Device;

/// A Burn backend, chosen when a network is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backend {
    /// burn-flex: Burn's own CPU backend.
    #[default]
    Flex,
    /// burn-ndarray: on the ndarray crate; deprecated upstream in favour of flex.
    #[cfg(feature = "ndarray")]
    Ndarray,
}

impl Backend {
    /// Every backend that is built in.
    pub const ALL: &[Self] = &[
        Self::Flex,
        #[cfg(feature = "ndarray")]
        Self::Ndarray,
    ];

    /// The name used on the command line and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            #[cfg(feature = "ndarray")]
            Self::Ndarray => "ndarray",
        }
    }

    pub(super) fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated, reason = "burn-ndarray is promised where it is built in")]
            Self::Ndarray => Device::ndarray(),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(backend) = Self::ALL.iter().find(|backend| backend.name() == name) {
            return Ok(*backend);
        }
        Err(match name {
            "ndarray" => {
                "not in this build of Kiln: use flex, or build Kiln with `--features ndarray`"
            }
            _ => "no such backend: use flex, or ndarray in a Kiln built with `--features ndarray`",
        })
    }
}
