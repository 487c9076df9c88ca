//! The policy bundle and the tool manifest: public blobs, named by their digest.

use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use proof::{Hash, sha256};

use crate::log::genesis::Identity;
use crate::log::site::unreadable;
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// Bytes of one public blob. A bundle for a thousand agents is a few hundred kilobytes.
const MAX_BLOB_BYTES: u64 = 16 * 1024 * 1024;

/// Loads the policy that the genesis names.
pub(super) fn policy(site: &dyn Source, identity: &Identity) -> Result<Policy, Finding> {
    let (bundle_name, manifest_name) = (identity.policy, identity.manifest);
    let bundle = Bundle::parse(&blob(site, "policy bundle", &bundle_name)?);
    let bundle = bundle.map_err(|error| Finding::whole(Rule::Blob, format_args!("blob {bundle_name}: {error}")))?;
    let manifest = Manifest::parse(&blob(site, "tool manifest", &manifest_name)?);
    let manifest =
        manifest.map_err(|error| Finding::whole(Rule::Blob, format_args!("blob {manifest_name}: {error}")))?;
    let policy = Policy::new(bundle, manifest);
    for (what, name, digest) in [
        ("policy bundle", bundle_name, policy.bundle_digest()),
        ("tool manifest", manifest_name, policy.manifest_digest()),
    ] {
        if name != digest {
            let detail = format!("the {what} {name} is not in the form in which this build writes it ({digest})");
            return Err(Finding::whole(Rule::Blob, detail));
        }
    }
    Ok(policy)
}

fn blob(site: &dyn Source, what: &str, name: &Hash) -> Result<Vec<u8>, Finding> {
    let path = format!("blob/{name}");
    let bytes = site.read(&path, MAX_BLOB_BYTES).map_err(|error| unreadable(None, Rule::Blob, &error))?;
    let bytes =
        bytes.ok_or_else(|| Finding::whole(Rule::BlobMissing, format_args!("the {what} `{path}` is not there")))?;
    let digest = sha256(&bytes);
    if digest == *name {
        Ok(bytes)
    } else {
        Err(Finding::whole(Rule::BlobDigest, format_args!("the {what} `{path}` has the digest {digest}")))
    }
}
