//! A view of the file system that is read-only but for the program's own folder.
//!
//! Landlock governs opening, making and removing files, but not `chmod`, `chown`, `utime` and `setxattr`, which the owner
//! of a file may always do, and a program belongs to the same user as the runner. A read-only mount stops these.
//!
//! It takes the right to mount: that of user 0, or that which a user has in a user namespace of their own, where the
//! system allows one. Where it does not, programs run without this layer, and [`super::Layers`] says so.

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
use rustix::thread::{CapabilitySet, UnshareFlags};
use std::fs;
use std::path::Path;

/// Makes everything read-only for this process, which must have a single thread, except what is in `own`.
pub(super) fn read_only_except(own: &Path) -> Result<(), String> {
    let told = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    separate().map_err(|error| format!("namespaces: {error}"))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(told("private mounts"))?;
    mount_bind(own, own).map_err(told("the program's folder"))?;
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|error| format!("the mounts: {error}"))?;
    for (target, options) in table.lines().filter_map(mount) {
        if Path::new(&target) == own {
            continue;
        }
        match mount_remount(target.as_str(), options | MountFlags::BIND | MountFlags::RDONLY, c"") {
            // What another mount hides, or what this user cannot get to, nobody inside can get to either.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {}
            Err(error) => return Err(format!("`{target}`: {error}")),
        }
    }
    Ok(())
}

/// Namespaces of its own for mounts and IPC objects, and one for users where it takes that to be allowed to.
fn separate() -> std::io::Result<()> {
    let namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWIPC;
    if rustix::thread::capabilities(None)?.effective.contains(CapabilitySet::SYS_ADMIN) {
        return unshare(namespaces);
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(namespaces | UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

#[expect(deprecated, reason = "the unsafe one differs only for CLONE_FILES, which is not among the flags")]
fn unshare(flags: UnshareFlags) -> std::io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

/// Where a line of `mountinfo` mounts, and with which of the flags that a change must keep.
fn mount(line: &str) -> Option<(String, MountFlags)> {
    let mut fields = line.split(' ').skip(4);
    let target = unescape(fields.next()?);
    let flag = |option: &str| match option {
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    };
    Some((target, fields.next()?.split(',').map(flag).collect()))
}

/// The kernel writes blanks, line ends and backslashes as three octal digits.
fn unescape(field: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,nosuid,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount(line), Some(("/mnt 2".to_owned(), MountFlags::NOSUID | MountFlags::NOATIME)));
        assert_eq!(mount("garbage"), None);
    }
}
