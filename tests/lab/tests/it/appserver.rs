//! The AppServer stand-in keeps to what is documented of the vendor's, and the patches and RPOs fit it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::fixtures::{Patch, write_rpo};
use lab::process::{command, output};
use lab::standin::appserver::{applied, install};

const APPLIED: &str = "[CMDLINE] Patch successfully applied.";

/// A user's AppServer folder with an RPO and a folder of patches.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = lab::folder::temporary("appserver").unwrap();
        install(&folder).unwrap();
        for name in ["apo", "patches"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        let folder = Self(folder);
        write_rpo(&folder.rpo(), 1, 100_000).unwrap();
        folder
    }

    fn rpo(&self) -> PathBuf {
        self.0.join("apo/tttm120.rpo")
    }

    fn add(&self, name: &str, patch: &Patch) {
        patch.write(&self.0.join("patches").join(name)).unwrap();
    }

    fn run(&self, arguments: &str) -> String {
        let mut server = command("./appsrvlinux");
        server.current_dir(&self.0).env("LD_LIBRARY_PATH", ".").args(arguments.split_whitespace());
        // `output` is an error for any exit code but 0: that it never is one is part of the behaviour.
        output(server, "").unwrap()
    }

    fn apply(&self, name: &str) -> String {
        self.run(&format!("-compile -applypatch -files=patches/{name} -env=P12 -outreport=reports"))
    }

    fn patch_errors(&self) -> String {
        fs::read_to_string(self.0.join("reports/patch_errors.log")).unwrap()
    }

    fn applied(&self) -> Vec<String> {
        applied(&self.rpo()).unwrap().into_iter().map(|one| one.name).collect()
    }
}

#[test]
fn applies_patches_in_the_order_given_and_gives_the_same_bytes_again() {
    let results = [0, 1].map(|_| {
        let folder = Folder::new();
        for (seed, name) in [(2, "b.ptm"), (1, "a.ptm"), (3, "c.ptm")] {
            folder.add(name, &Patch::new(seed));
            assert!(folder.apply(name).contains(APPLIED));
        }
        assert_eq!(folder.patch_errors(), "");
        assert_eq!(folder.applied(), ["b.ptm", "a.ptm", "c.ptm"]);
        fs::read(folder.rpo()).unwrap()
    });
    assert!(results[0] == results[1]);
}

#[test]
fn records_digest_and_whether_old_programs_were_wanted() {
    let folder = Folder::new();
    folder.add("a.ptm", &Patch::new(1));
    folder.run("-compile -applypatch -files=patches/a.ptm -env=p12 -applyoldprogram");
    let [record] = applied(&folder.rpo()).unwrap().try_into().unwrap();
    assert!(record.apply_old);
    assert_eq!(record.sha256, sha256(&Patch::new(1).bytes()));
}

#[test]
fn refuses_what_cannot_be_applied_with_exit_code_0_and_without_the_marker() {
    let folder = Folder::new();
    folder.add("cut.ptm", &Patch::new(1).truncated());
    folder.add("other.ptm", &Patch::new(1).for_rpo("tttp120"));
    folder.add("Upper.ptm", &Patch::new(1));
    folder.add("text.txt", &Patch::new(1));
    let cases = [
        ("cut.ptm", "corrupted"),
        ("other.ptm", "Path version incorrect, file TTTP120 can't be applied in RPO TTTM120.RPO"),
        ("Upper.ptm", "upper case character"),
        ("text.txt", "Invalid patch file"),
        ("absent.ptm", "No such file"),
    ];
    for (name, reason) in cases {
        let said = folder.apply(name);
        assert!(said.contains(reason) && !said.contains(APPLIED), "{said}");
        assert!(folder.patch_errors().contains(reason));
    }
    assert!(folder.applied().is_empty());
}

#[test]
fn an_old_report_stays_after_a_success() {
    let folder = Folder::new();
    folder.add("good.ptm", &Patch::new(1));
    folder.apply("absent.ptm");
    assert!(folder.apply("good.ptm").contains(APPLIED));
    assert_ne!(folder.patch_errors(), "");
}

#[test]
fn the_rpo_cannot_be_shared_and_an_empty_one_cannot_be_opened() {
    let folder = Folder::new();
    folder.add("a.ptm", &Patch::new(1));
    let held = File::open(folder.rpo()).unwrap();
    held.lock().unwrap();
    assert!(folder.apply("a.ptm").contains("COMPILEERROR-300 Failed to open repository"));
    drop(held);
    assert!(folder.apply("a.ptm").contains(APPLIED));

    fs::remove_file(folder.rpo()).unwrap();
    assert!(folder.apply("a.ptm").contains("COMPILEERROR-300"));
    assert_eq!(fs::metadata(folder.rpo()).unwrap().len(), 0);
}

#[test]
fn validates_and_defragments_without_changing_the_rpo() {
    let folder = Folder::new();
    folder.add("a.ptm", &Patch::new(1));
    let before = fs::read(folder.rpo()).unwrap();
    assert!(
        folder
            .run("-compile -validatepatch -files=patches/a.ptm -env=P12")
            .contains("successfully validated")
    );
    let said = folder.run("-compile -defragrpo -env=P12 -outreport=reports");
    assert!(said.contains("RPO successfully defragged."));
    assert_eq!(fs::read_to_string(folder.0.join("reports/defragrpo_errors.log")).unwrap(), "");
    assert!(fs::read(folder.rpo()).unwrap() == before);
}

#[test]
fn takes_another_ini_and_refuses_wrong_arguments() {
    let folder = Folder::new();
    folder.add("a.ptm", &Patch::new(1));
    fs::create_dir(folder.0.join("work")).unwrap();
    write_rpo(&folder.0.join("work/tttm120.rpo"), 2, 10).unwrap();
    fs::write(folder.0.join("own.ini"), "; own\n[Other]\nSOURCEPATH = work\n").unwrap();
    let said = folder.run("-compile -applypatch -files=patches/a.ptm -env=OTHER -ini=own.ini");
    assert!(said.contains(APPLIED), "{said}");
    assert_eq!(applied(&folder.0.join("work/tttm120.rpo")).unwrap().len(), 1);
    assert!(folder.applied().is_empty());

    for wrong in
        ["-applypatch -env=P12", "-compile -env=P12", "-compile -applypatch", "-compile -aplypatch -env=P12"]
    {
        assert!(folder.run(wrong).contains("Invalid parameters"), "{wrong}");
    }
    assert!(folder.run("-compile -defragrpo -env=NONE").contains("Environment NONE not found"));
    assert!(folder.run("-version").contains("24.3.0.5"));
}

#[test]
fn finds_its_libraries_only_from_its_own_folder() {
    let folder = Folder::new();
    let run = |program: &Path, from: &Path, libraries: Option<&Path>| {
        let mut server = command(program);
        server.current_dir(from).env_remove("LD_LIBRARY_PATH").arg("-version");
        if let Some(libraries) = libraries {
            server.env("LD_LIBRARY_PATH", libraries);
        }
        output(server, "").is_ok()
    };
    let program = folder.0.join("appsrvlinux");
    assert!(run(&program, &folder.0, Some(&folder.0)));
    assert!(!run(&program, &folder.0, None));
    assert!(!run(&program, &folder.0.join("apo"), Some(Path::new("."))));
}

#[test]
fn fails_or_hangs_where_the_ini_says_so() {
    let folder = Folder::new();
    let ini = folder.0.join("appserver.ini");
    let text = fs::read_to_string(&ini).unwrap();
    fs::write(&ini, format!("{text}\n[ESTEIRA]\nFault=fail:2\n")).unwrap();
    folder.add("a.ptm", &Patch::new(1));
    assert!(folder.apply("a.ptm").contains(APPLIED));
    assert!(!folder.apply("a.ptm").contains(APPLIED));

    fs::write(&ini, format!("{text}\n[ESTEIRA]\nFault=hang:2\n")).unwrap();
    let mut server = command("./appsrvlinux");
    server.current_dir(&folder.0).env("LD_LIBRARY_PATH", ".");
    server.args(["-compile", "-applypatch", "-files=patches/a.ptm", "-env=P12"]).stdout(Stdio::null());
    let mut hanging = server.spawn().unwrap();
    let begun = Instant::now();
    // It holds the RPO once it hangs.
    while File::open(folder.rpo()).unwrap().try_lock().is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(hanging.try_wait().unwrap().is_none());
    hanging.kill().unwrap();
    hanging.wait().unwrap();
    assert_eq!(folder.applied().len(), 1);
}

#[test]
fn patches_have_the_header_of_public_ones() {
    for seed in 0..70 {
        let bytes = Patch::new(seed).payload(1000).bytes();
        let payload = u32::from_le_bytes(bytes[..4].try_into().unwrap());
        assert!((20_525..=20_592).contains(&(bytes.len() - payload as usize)));
        assert_eq!(&bytes[4..12], b"tttm120\0");
    }
    assert!(Patch::new(1).bytes() == Patch::new(1).bytes());
    assert!(Patch::new(1).bytes() != Patch::new(2).bytes());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
