//! A measured run reports what the program did and what it cost.

use std::time::Duration;

use lab::process::command;
use lab::run_measured;

/// Says something, then holds the given text in a variable of the shell for a while.
const SCRIPT: &str = r"echo first; sleep 0.3; all=$(head -c 30000000 /dev/zero | tr '\0' x); echo ${#all}; sleep 0.1; echo end >&2; exit 3";

#[test]
fn reports_output_status_time_and_memory() {
    let mut shell = command("sh");
    shell.args(["-c", SCRIPT]);
    let run = run_measured(shell).unwrap();
    assert_eq!((&*run.stdout, &*run.stderr, run.status.code()), ("first\n30000000\n", "end\n", Some(3)));
    assert!(run.wall > Duration::from_millis(400), "{run:?}");
    assert!(run.first_output.unwrap() < Duration::from_millis(300), "{run:?}");
    assert!((30_000_000..200_000_000).contains(&run.peak_rss_bytes), "{run:?}");
}
