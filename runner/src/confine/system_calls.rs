//! The system call filter: what no test or build needs and an escape might.
//!
//! No sockets of any kind closes what Landlock leaves open: UDP, raw and netlink sockets, and named Unix sockets such as
//! a container engine's. (`socketpair` stays: it leads nowhere.) The rest are calls that need privileges anyway, or reach
//! into other processes, or have been the way into the kernel before.

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Answered with EPERM.
const DENIED: &[c_long] = &[
    libc::SYS_socket,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_syslog,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// Answered with ENOSYS, on which callers fall back to older calls: `io_uring` passes every filter by, and `clone3` hides
/// its flags in memory.
const ABSENT: &[c_long] =
    &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register, libc::SYS_clone3];

/// `clone` with one of these makes a namespace.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// On x86-64 each call has a second number, for the x32 ABI.
const X32: c_long = 0x4000_0000;

/// Filters this thread's system calls, and those of the program that it becomes. Calls of a foreign architecture kill.
pub(super) fn filter() -> Result<(), String> {
    let mut denied: BTreeMap<c_long, Vec<SeccompRule>> =
        DENIED.iter().flat_map(|call| numbers(*call)).map(always).collect();
    for call in numbers(libc::SYS_clone) {
        denied.insert(call, namespaces().map_err(|e| e.to_string())?);
    }
    let absent = ABSENT.iter().flat_map(|call| numbers(*call)).map(always).collect();
    install(denied, libc::EPERM)?;
    install(absent, libc::ENOSYS)
}

fn install(rules: BTreeMap<c_long, Vec<SeccompRule>>, error: i32) -> Result<(), String> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| e.to_string())?;
    let error = u32::try_from(error).map_err(|e| e.to_string())?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(error), architecture);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|e| e.to_string())?;
    seccompiler::apply_filter(&program).map_err(|e| e.to_string())
}

fn numbers(call: c_long) -> Vec<c_long> {
    if cfg!(target_arch = "x86_64") { vec![call, call | X32] } else { vec![call] }
}

/// A call without rules of its own matches whatever its arguments are.
fn always(call: c_long) -> (c_long, Vec<SeccompRule>) {
    (call, Vec::new())
}

/// One rule for each flag; any of them matches.
fn namespaces() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let rule = |flag: &i32| {
        let flag = u64::from(flag.unsigned_abs());
        let held = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
        SeccompRule::new(vec![held])
    };
    NAMESPACES.iter().map(rule).collect()
}
