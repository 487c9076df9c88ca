use super::*;
use crate::cancel::Cancel;
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
    project: Root,
    pace: Pace,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        let project = Root::open(&folder.path().join("project")).unwrap();
        let bench = Self {
            folder,
            project,
            pace: Pace { deadline: Instant::now() + Duration::from_mins(1), cancel: Cancel::new() },
        };
        for (path, content) in files {
            bench.write(path, content);
        }
        bench
    }

    fn place(&self, path: &str) -> PathBuf {
        self.project.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.place(path).parent().unwrap()).unwrap();
        fs::write(self.place(path), content).unwrap();
    }

    fn copy(&self) -> Result<WorkCopy, Refusal> {
        self.copy_within(&Limits::default())
    }

    fn copy_within(&self, limits: &Limits) -> Result<WorkCopy, Refusal> {
        WorkCopy::whole(&self.folder.path().join("work"), &self.project, &[], limits, &self.pace)
    }

    fn put_back(&self, copy: &WorkCopy) -> Result<(), Refusal> {
        put_back(&self.project, copy, &copy.differences(&Limits::default(), &self.pace).unwrap())
    }

    /// Every file of the project with its content.
    fn snapshot(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut open = vec![self.place("")];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(self.project.path()).unwrap().to_string_lossy().into_owned();
                    files.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

fn path(text: &str) -> RelativePath {
    RelativePath::new("path", text).unwrap()
}

#[test]
fn a_copy_is_what_a_tool_gets_to_see_and_nothing_else() {
    let bench = Bench::new(&[
        ("a", "1"),
        ("d/b", "2"),
        ("target/x", ""),
        ("released/x", ""),
        (".git/config", ""),
        (".env", ""),
        ("d/.env.example", ""),
    ]);
    symlink("../a", bench.place("d/link")).unwrap();
    fs::create_dir(bench.place("empty")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.place("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let copy = bench.copy().unwrap();
    let there = |name: &str| fs::symlink_metadata(copy.root().path().join(name)).is_ok();
    for name in ["a", "d/b", "d/.env.example", "d/link", "empty"] {
        assert!(there(name), "{name}");
    }
    for name in ["target", "released", ".git", ".env", "fifo"] {
        assert!(!there(name), "{name}");
    }
    assert_eq!(fs::read_link(copy.root().path().join("d/link")).unwrap(), Path::new("../a"));
    assert!(copy.differences(&Limits::default(), &bench.pace).unwrap().is_empty());
    let folder = copy.folder.clone();
    drop(copy);
    assert!(!folder.exists());
}

#[test]
fn links_that_may_lead_out_are_refused() {
    let rows = [
        ("l", "a", true),
        ("d/l", "../a", true),
        ("d/e/l", "../../a/b", true),
        ("l", "missing", true),
        ("l", ".", true),
        ("l", "/etc/passwd", false),
        ("l", "..", false),
        ("l", "../a", false),
        ("d/l", "../../a", false),
        ("l", "d/../a", false),
        ("d/l", "../x/../../a", false),
        ("l", "", false),
        ("l", "a//b", false),
    ];
    for (link, target, inside) in rows {
        assert_eq!(stays_inside(&path(link), target), inside, "{link} -> {target}");
    }
    let bench = Bench::new(&[("a", "")]);
    symlink("/etc", bench.place("etc")).unwrap();
    assert_eq!(bench.copy().unwrap_err().failure, Failure::PathRefused);
}

#[test]
fn limits_on_files_and_bytes_hold() {
    let bench = Bench::new(&[("a", "12345"), ("b", "12345")]);
    let limits = Limits { bytes: 9, ..Limits::default() };
    assert_eq!(bench.copy_within(&limits).unwrap_err().failure, Failure::TooLarge);
    let limits = Limits { files: 1, ..Limits::default() };
    assert_eq!(bench.copy_within(&limits).unwrap_err().failure, Failure::TooLarge);
    assert!(bench.copy_within(&Limits { bytes: 10, files: 2, ..Limits::default() }).is_ok());
}

#[test]
fn all_changes_are_put_back() {
    let bench = Bench::new(&[("change", "old"), ("delete", "old"), ("keep", "same"), ("mode", "#!")]);
    let copy = bench.copy().unwrap();
    let inside = |name: &str| copy.root().path().join(name);
    fs::write(inside("change"), "new").unwrap();
    fs::remove_file(inside("delete")).unwrap();
    fs::create_dir_all(inside("x/y")).unwrap();
    fs::write(inside("x/y/create"), "new").unwrap();
    fs::set_permissions(inside("mode"), Permissions::from_mode(0o700)).unwrap();
    let kinds: Vec<(String, ChangeKind)> = copy
        .differences(&Limits::default(), &bench.pace)
        .unwrap()
        .iter()
        .map(|d| (d.change().path, d.change().kind))
        .collect();
    let expected = [
        ("change", ChangeKind::Modified),
        ("delete", ChangeKind::Deleted),
        ("mode", ChangeKind::Modified),
        ("x/y/create", ChangeKind::Created),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    bench.put_back(&copy).unwrap();
    let expected = [("change", "new"), ("keep", "same"), ("mode", "#!"), ("x/y/create", "new")];
    assert_eq!(bench.snapshot(), expected.map(|(name, content)| (name.to_owned(), content.to_owned())));
    assert_eq!(fs::metadata(bench.place("mode")).unwrap().permissions().mode() & 0o111, 0o111);
}

type Meddling = (&'static str, fn(&Bench));

/// Whatever somebody does to the project in the meantime, put-back changes nothing at all.
#[test]
fn a_project_that_changed_underneath_is_left_alone() {
    let meddle: [Meddling; 6] = [
        ("edited a changed file", |b| b.write("m", "theirs")),
        ("deleted a changed file", |b| {
            fs::remove_file(b.place("m")).unwrap();
        }),
        ("edited a deleted file", |b| b.write("z", "theirs")),
        ("created the same file", |b| b.write("new/n", "theirs")),
        ("made it executable", |b| {
            fs::set_permissions(b.place("m"), Permissions::from_mode(0o755)).unwrap();
        }),
        ("put a folder there", |b| {
            fs::create_dir_all(b.place("new/n")).unwrap();
        }),
    ];
    for (what, meddle) in meddle {
        let bench = Bench::new(&[("a", "old"), ("m", "old"), ("z", "old")]);
        let copy = bench.copy().unwrap();
        for name in ["a", "m"] {
            fs::write(copy.root().path().join(name), "ours").unwrap();
        }
        fs::remove_file(copy.root().path().join("z")).unwrap();
        fs::create_dir(copy.root().path().join("new")).unwrap();
        fs::write(copy.root().path().join("new/n"), "ours").unwrap();
        meddle(&bench);
        let before = bench.snapshot();
        let refusal = bench.put_back(&copy).unwrap_err();
        assert!(matches!(refusal.failure, Failure::ProjectChanged | Failure::PathRefused), "{what}: {refusal}");
        assert_eq!(bench.snapshot(), before, "{what}");
    }
}

#[test]
fn a_folder_that_became_a_link_is_not_followed() {
    let bench = Bench::new(&[("d/a", "old")]);
    let copy = bench.copy().unwrap();
    fs::write(copy.root().path().join("d/a"), "ours").unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("a"), "old").unwrap();
    fs::remove_dir_all(bench.place("d")).unwrap();
    symlink(outside.path(), bench.place("d")).unwrap();
    assert_eq!(bench.put_back(&copy).unwrap_err().failure, Failure::PathRefused);
    assert_eq!(fs::read_to_string(outside.path().join("a")).unwrap(), "old");
}

#[test]
fn links_that_a_program_made_are_never_read() {
    let bench = Bench::new(&[("a", "old")]);
    let copy = bench.copy().unwrap();
    fs::remove_file(copy.root().path().join("a")).unwrap();
    symlink("/etc/passwd", copy.root().path().join("a")).unwrap();
    let differences = copy.differences(&Limits::default(), &bench.pace).unwrap();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].change().kind, ChangeKind::Deleted);
}

#[test]
fn folders_without_permissions_are_removed_too() {
    let bench = Bench::new(&[("d/e/f", "")]);
    let copy = bench.copy().unwrap();
    fs::set_permissions(copy.root().path().join("d"), Permissions::from_mode(0o000)).unwrap();
    let folder = copy.folder.clone();
    drop(copy);
    assert!(!folder.exists());
}
