use crate::history::Kind;
use crate::log::{Log, open};
#[test]
fn speed() {
    let cpu = || {
        let s = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
        (f[11].parse::<u64>().unwrap() + f[12].parse::<u64>().unwrap()) * 10
    };
    let log = Log::of(crate::history::History::new());
    let t = std::time::Instant::now();
    log.write(|h| {
        for n in 0..10_000 {
            h.propose(&format!("p-{n}"), Kind::Plain);
        }
    });
    println!("made {} in {:?}", log.size(), t.elapsed());
    let home = tempfile::tempdir().unwrap();
    let (_s, mut w, _) = open(&home.path().join("v"), &log);
    let c = cpu();
    let t = std::time::Instant::now();
    while w.step(&log, 512).unwrap().events > 0 {}
    println!("cpu ms {}", cpu() - c);
    println!("folded in {:?}: {:.0}/s", t.elapsed(), log.size().get() as f64 / t.elapsed().as_secs_f64());
    let t = std::time::Instant::now();
    w.flush().unwrap();
    println!("flush {:?}", t.elapsed());
    let d = w.position();
    drop(w);
    drop(_s);
    let t = std::time::Instant::now();
    let (s, w, _) = open(&home.path().join("v"), &log);
    println!("open {:?}", t.elapsed());
    assert_eq!(d, w.position());
    let t = std::time::Instant::now();
    for _ in 0..10 {
        s.jobs(100, None, Some("leased")).unwrap();
    }
    println!("jobs scan 10k: {:?}", t.elapsed() / 10);
    let t = std::time::Instant::now();
    for _ in 0..100 {
        s.proposals(50, None).unwrap();
    }
    println!("proposals(50): {:?}", t.elapsed() / 100);
}
