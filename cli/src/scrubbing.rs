//! Re-reading old tiles in the background, and where another copy of them lies.

use crate::data_folder::Problem;
use clap::Args;
use ledger::site::{NoSpare, Spare, SpareError};
use ledger::{Ledger, Scrubber};
use proof::tile::{BundleCoord, TILE_WIDTH};
use std::num::NonZeroU32;
use verifier::Location;

/// Bytes of a bundle of the longest leaves.
const BUNDLE_BYTES: u64 = 17 * 1024 * 1024;

/// Options of `serve` and `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScrubArguments {
    /// Bundles of 256 old events that are read again each second, to find rot early; 0 for none
    #[arg(long, value_name = "N", default_value_t = 20)]
    scrub_rate: u32,
    /// A backup folder, or the URL of another copy of the log: what is damaged is mended from it
    #[arg(long, value_name = "DIR|URL")]
    spare: Option<String>,
}

impl ScrubArguments {
    /// Starts the scrubber, unless it is turned off.
    pub(crate) fn start(&self, ledger: &Ledger) -> Result<Option<Scrubber>, Problem> {
        let Some(rate) = NonZeroU32::new(self.scrub_rate) else { return Ok(None) };
        let spare: Box<dyn Spare + Send> = match &self.spare {
            None => Box::new(NoSpare),
            Some(place) => {
                let location = Location::open(place).map_err(|e| format!("the spare copy `{place}`: {e}"))?;
                Box::new(Copy { location })
            }
        };
        Scrubber::start(ledger.clone(), rate, spare).map(Some).map_err(|e| format!("cannot start the scrubber: {e}"))
    }
}

/// Another copy of the site. What it gives is believed by its hashes, so it need not be trusted.
struct Copy {
    location: Location,
}

impl Spare for Copy {
    fn bundle(&self, number: u64) -> Result<Option<Vec<u8>>, SpareError> {
        let path = BundleCoord::new(number, TILE_WIDTH)?.path();
        Ok(self.location.site.read(&path, BUNDLE_BYTES)?)
    }
}
