//! CPU time and memory of a process tree, read from outside.
//!
//! CPU is the scheduler's own account of a process (user and kernel, all threads, ended ones too): the
//! sum that `/proc/<pid>/stat` shows as utime + stime, but in nanoseconds instead of 10 ms ticks.

use std::collections::BTreeMap;
use std::fs;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::error::{Doing, Error, Result};

/// `root` and everything below it that is alive.
#[must_use]
pub fn tree(root: u32) -> Vec<u32> {
    let parents: BTreeMap<u32, u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            Some((
                pid,
                parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?,
            ))
        })
        .collect();
    descendants(root, &parents)
}

/// CPU time used so far by the tree below `root`, in µs.
///
/// # Errors
/// When a process of the tree is gone.
pub fn cpu_us(root: u32) -> Result<f64> {
    tree(root).into_iter().map(process_cpu_us).sum()
}

/// Proportional set size of the tree below `root`, in KiB.
///
/// # Errors
/// When a process of the tree is gone or may not be looked at.
pub fn pss_kib(root: u32) -> Result<f64> {
    let of = |pid: u32| {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).doing(format!("read {path}"))?;
        pss(&text).ok_or_else(|| Error::Answer(format!("no Pss in {path}")))
    };
    tree(root).into_iter().map(of).sum()
}

fn process_cpu_us(pid: u32) -> Result<f64> {
    let raw = i32::try_from(pid).map_err(|_| Error::Input(format!("process id {pid}")))?;
    let clock: ClockId = clock_getcpuclockid(Pid::from_raw(raw)).doing("find a CPU clock")?;
    let time = clock.now().doing("read a CPU clock")?;
    Ok(time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}

fn descendants(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|&(_, &of)| of == parent)
                .map(|(&pid, _)| pid),
        );
        next += 1;
    }
    found
}

/// The parent in a line of `/proc/<pid>/stat`. The name before it may hold blanks and parentheses.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The `Pss:` line of `/proc/<pid>/smaps_rollup`, in KiB.
fn pss(rollup: &str) -> Option<f64> {
    let value = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_an_odd_name() {
        assert_eq!(
            parent("42 (a) S 1 (x) b) S 7 42 42 0 -1 4194560 1 2"),
            Some(7)
        );
        assert_eq!(parent("42 (cut"), None);
    }

    #[test]
    fn a_tree_holds_children_of_children_and_nothing_else() {
        let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (5, 1), (6, 5)]);
        assert_eq!(descendants(2, &parents), [2, 3, 4]);
    }

    #[test]
    fn pss_is_the_first_of_its_lines() {
        let text = "00400000-7ffc ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:     512 kB\nPss_Anon: 1 kB\n";
        assert_eq!(pss(text), Some(512.0));
    }

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let me = std::process::id();
        assert!(cpu_us(me).expect("a clock") > 0.0);
        assert!(pss_kib(me).expect("a rollup") > 0.0);
    }
}
