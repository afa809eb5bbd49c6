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
    Ndarray,
}

impl Backend {
    /// Every backend that is built in.
    pub const ALL: [Self; 2] = [Self::Flex, Self::Ndarray];

    /// The name used on the command line and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        }
    }

    pub(super) fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            // Deprecated upstream, kept because both are promised and tested for parity.
            #[allow(deprecated)]
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
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| format!("no backend '{name}': use flex or ndarray"))
    }
}
