//! What a confined program can and cannot reach.

use crate::harness::{Bench, assert_completed, assert_failed, numbers, runs, stdout, stream, test_command};
use countersign_runner::Failure;
use seccompiler::{SeccompAction, SeccompFilter, TargetArch};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use tempfile::TempDir;

#[test]
fn every_layer_is_active_and_recorded() {
    let outcome = Bench::script("true").run("run_tests", &json!({}));
    assert_completed(&outcome);
    let layers = outcome.confinement.unwrap();
    assert!(layers.complete(), "{layers}");
    let shown = layers.to_string();
    assert!(
        shown.starts_with(&format!("landlock abi {} fully enforced; system call filter;", layers.landlock_abi)),
        "{shown}"
    );
    assert!(!layers.weaker_permitted);
}

#[test]
fn the_project_is_readable_and_the_copy_writable() {
    let bench = Bench::script(
        "cat inner/a && echo more >> inner/a && cat inner/a && mkdir -p x/y && cp inner/a x/y && rm inner/a",
    );
    bench.write("inner/a", "content\n");
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_eq!(stdout(&outcome), "content\ncontent\nmore\n");
    assert_eq!(bench.read("inner/a"), "content\n");
    assert!(!bench.project("x").exists());
}

#[test]
fn nothing_outside_can_be_read() {
    let outside = TempDir::new().unwrap();
    let home = TempDir::new_in(std::env::var_os("HOME").unwrap()).unwrap();
    for folder in [&outside, &home] {
        fs::write(folder.path().join("secret"), "the-outside-value").unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let (a, b) = (outside.path().display(), home.path().display());
    let script = format!(
        "for f in {a}/secret {b}/secret /etc/shadow /etc/hostname /proc/1/environ /proc/self/environ /proc/$PPID/environ; do
           cat $f && echo opened $f; done
         ln {a}/secret link; ln -s {a}/secret soft; cat soft link; ls {a} {b} /root /tmp /proc && echo listed; true"
    );
    let bench = Bench::script(&script);
    bench.write("a", "");
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_eq!(stdout(&outcome), "", "{}", stream(&outcome, "stderr"));
    assert!(stream(&outcome, "stderr").contains("Permission denied"));
}

#[test]
fn other_work_copies_and_the_real_project_are_out_of_reach() {
    let bench = Bench::script("cat ../../../project/a ../../../data/lock; ls ../..; echo x > ../../../project/a; true");
    bench.write("a", "the real one");
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_eq!(stdout(&outcome), "");
    assert_eq!(bench.read("a"), "the real one");
}

#[test]
fn nothing_outside_can_be_written() {
    let outside = TempDir::new().unwrap();
    let file = outside.path().join("file");
    fs::write(&file, "as it was").unwrap();
    let before = fs::metadata(&file).unwrap();
    let o = outside.path().display();
    let bench = Bench::script(&format!(
        "echo x > {o}/new; echo x >> {o}/file; truncate -s 0 {o}/file; rm {o}/file; mv {o}/file gone; mkdir {o}/d; ln -s /etc {o}/l
         mv a {o}/a; chmod 777 {o} {o}/file; touch -d 2001-01-01 {o}/file; touch /usr/bin/x /etc/x /dev/shm/x /tmp/x
         perl -e 'utime 0, 0, \"{o}/file\" and print \"utime\n\"; chmod 0777, \"/usr/bin/env\" and print \"chmod\n\"'
         echo x > /dev/null && echo null; chmod 755 a && mv a b && mkdir \"$TMPDIR/t\" && mv b \"$TMPDIR/t\" && echo inside; true"
    ));
    bench.write("a", "");
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_eq!(stdout(&outcome), "null\ninside\n", "{}", stream(&outcome, "stderr"));
    let after = fs::metadata(&file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
    assert_eq!((before.permissions(), before.modified().unwrap()), (after.permissions(), after.modified().unwrap()));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn there_is_no_network_of_any_kind() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp_port, udp_port) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let sockets = TempDir::new().unwrap();
    let named = UnixListener::bind(sockets.path().join("s")).unwrap();
    let bench = Bench::script(&format!(
        "exec 3<>/dev/tcp/127.0.0.1/{tcp_port} && echo connected
         echo hello > /dev/udp/127.0.0.1/{udp_port} && echo sent
         perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) and connect(S, sockaddr_un(\"{}\")) and print \"unix\n\"'
         perl -MSocket -e 'socket(S, PF_INET, SOCK_RAW, 255) and print \"raw\n\"'
         perl -MSocket -e 'socket(S, 16, SOCK_RAW, 0) and print \"netlink\n\"'
         perl -MSocket -e 'socketpair(A, B, PF_UNIX, SOCK_STREAM, 0) and print \"pair\n\"'",
        sockets.path().join("s").display()
    ));
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_eq!(stdout(&outcome), "pair\n", "{}", stream(&outcome, "stderr"));
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    named.set_nonblocking(true).unwrap();
    assert_eq!(tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(udp.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(named.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn no_process_outside_can_be_signalled_or_traced() {
    let mut victim = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
    let pid = victim.id().to_string();
    let bench = Bench::script(&format!(
        "kill -TERM {pid} && echo termed; kill -KILL $PPID && echo killed the warden; kill -0 {pid} && echo seen
         perl -e 'print \"traced\n\" if syscall(101, 16, {pid}, 0, 0) == 0'
         sleep 600 & kill $! && echo own=$!"
    ));
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    let said = stdout(&outcome);
    assert_eq!(numbers(&said, "own").len(), 1);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(runs(&pid));
    victim.kill().unwrap();
    victim.wait().unwrap();
}

#[test]
fn user_0_has_no_powers_inside() {
    let bench = Bench::script(
        "chown 12345 a && echo chowned; mknod dev b 7 0 && echo node; mount -t tmpfs none . && echo mounted; chroot . true && echo chroot
         unshare -Ur true && echo namespace; nice -n -5 true 2>&1 | grep -q cannot || echo nice; ulimit -c; umask; true",
    );
    bench.write("a", "");
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    let said = stdout(&outcome);
    for power in ["chowned", "node", "mounted", "chroot", "namespace"] {
        assert!(!said.contains(power), "{said}");
    }
    assert!(said.ends_with("0\n0077\n"), "{said}");
}

#[test]
fn the_environment_is_only_what_it_is_said_to_be() {
    let bench = Bench::with(|config| config.commands = test_command(&["env"]));
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    let said = stdout(&outcome);
    let mut names: Vec<&str> = said.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_TARGET_DIR", "HOME", "LANG", "PATH", "TMPDIR"]);
    assert!(said.contains("LANG=C.UTF-8") && said.contains("PATH=/usr/local/bin:/usr/bin:/bin"), "{said}");
}

#[test]
fn inherited_descriptors_do_not_reach_the_program() {
    // A file of the test process without close-on-exec, as a careless parent would leave one.
    let file = TempDir::new().unwrap();
    fs::write(file.path().join("open"), "the-open-value").unwrap();
    let open = fs::File::open(file.path().join("open")).unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&open);
    let bench = Bench::script(&format!("cat <&{number} && echo read; cat; true"));
    let outcome = bench.run("run_tests", &json!({}));
    assert_completed(&outcome);
    assert_eq!(stdout(&outcome), "", "{}", stream(&outcome, "stderr"));
}

#[test]
fn a_program_that_is_not_there_fails_with_its_name() {
    let bench = Bench::with(|config| config.commands = test_command(&["no-such-program"]));
    let outcome = bench.run("run_tests", &json!({}));
    assert_failed(&outcome, Failure::ProgramFailed);
    assert!(outcome.detail.contains("running `no-such-program`"), "{}", outcome.detail);
}

#[test]
fn an_executable_that_cannot_confine_runs_nothing() {
    for executable in ["/bin/true", "/bin/false", "/does/not/exist"] {
        let bench = Bench::with(|config| {
            config.executable = executable.into();
            config.commands = test_command(&["true"]);
        });
        assert_failed(&bench.run("run_tests", &json!({})), Failure::Runner);
    }
}

/// Runs the test command on a thread, and so in a process tree, where the kernel seems to have no Landlock.
fn without_landlock(permit_weaker: bool) -> countersign_runner::Outcome {
    let bench = Bench::with(|config| {
        config.commands = test_command(&["echo", "it runs"]);
        config.permit_weaker_confinement = permit_weaker;
    });
    let on_its_own = std::thread::spawn(move || {
        let calls = BTreeMap::from([(libc::SYS_landlock_create_ruleset, vec![])]);
        let absent = SeccompAction::Errno(38);
        let architecture = TargetArch::try_from(std::env::consts::ARCH).unwrap();
        let filter = SeccompFilter::new(calls, SeccompAction::Allow, absent, architecture).unwrap();
        let filter: seccompiler::BpfProgram = filter.try_into().unwrap();
        rustix::thread::set_no_new_privs(true).unwrap();
        seccompiler::apply_filter(&filter).unwrap();
        bench.run("run_tests", &json!({}))
    });
    on_its_own.join().unwrap()
}

#[test]
fn without_landlock_nothing_runs() {
    let outcome = without_landlock(false);
    assert_failed(&outcome, Failure::Unconfined);
    assert!(outcome.detail.contains("landlock"), "{}", outcome.detail);
    assert_eq!(outcome.output.bytes, b"");
}

#[test]
fn weaker_confinement_runs_only_where_it_is_permitted_and_is_recorded() {
    let outcome = without_landlock(true);
    assert_completed(&outcome);
    let layers = outcome.confinement.unwrap();
    assert!(layers.landlock_abi == 0 && layers.weaker_permitted && layers.system_call_filter && !layers.complete());
    assert!(layers.to_string().starts_with("no landlock; system call filter;"), "{layers}");
}
