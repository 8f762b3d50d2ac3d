//! The chain as pipelines in a CI server's own engine: the workspaces, the image with the AppServer in it, and the people who merge.
//! It may not run a plugin but in a container.
//! Called by `make drone` and `make woodpecker`, and by the tests of the engines.

use std::fs;
use std::path::{Path, PathBuf};

use super::World;
use super::chain::{check_out, merge, remove_folder};
use crate::containers::Containers;
use crate::engine::Engine;
use crate::error::{Attempt as _, Error};
use crate::pipeline::{self, Operator, Run};
use crate::plugin::Ended;
use crate::process::{command, output};
use crate::standin::appserver;
use crate::{folder, plugin};

/// The image of the examples' first step: plugin-rpo with the operator's AppServer in it.
pub const RPO_IMAGE: &str = "registry.example.com/erp/plugin-rpo:0.1.0";

/// Makes the image of plugin-rpo with an AppServer by the Dockerfile that the plugin's README shows. `fault` is what its stand-in is
/// disturbed by, such as `hang:2`.
pub fn appserver_image(containers: &Containers, name: &str, fault: Option<&str>) -> Result<(), Error> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/rpo/README.md");
    let text = fs::read_to_string(&readme).attempting(|| format!("cannot read `{}`", readme.display()))?;
    let shown = text.split_once("```dockerfile\n").and_then(|(_, rest)| rest.split_once("```"));
    let (dockerfile, _) = shown.ok_or_else(|| Error::new("plugin-rpo's README shows no Dockerfile"))?;
    let context = folder::temporary("appserver-image")?;
    let attempt = || "cannot prepare the AppServer's image".to_owned();
    fs::write(context.join("Dockerfile"), dockerfile).attempting(attempt)?;
    // The stand-in is linked statically: unlike the vendor's it needs no libraries beside it.
    let server = context.join("root/opt/appserver");
    appserver::install(&server)?;
    let program = server.join(appserver::NAME);
    fs::remove_file(&program).attempting(attempt)?;
    let mut strip = command("strip");
    strip.arg("-o").arg(&program).arg(plugin::programs()?.join("lab"));
    output(strip, "")?;
    if let Some(fault) = fault {
        let ini = server.join("appserver.ini");
        let sound = fs::read_to_string(&ini).attempting(attempt)?;
        fs::write(&ini, format!("{sound}[ESTEIRA]\nFault={fault}\n")).attempting(attempt)?;
    }
    let mut build = containers.command("buildah");
    build.args(["bud", "--quiet", "--isolation", "chroot", "--pull-never", "--tag", name]).arg(&context);
    output(build, "").map(drop)
}

/// A workspace as the server's clone step leaves it: the repository as it is now.
pub fn workspace(world: &World, engine: Engine, run: Run) -> Result<PathBuf, Error> {
    let folder = world.folder.join("workspaces").join(run.name());
    if run == Run::Release {
        remove_folder(&folder)?;
        folder::create(&folder)?;
        let parameters = pipeline::examples(engine).join(".config");
        fs::copy(&parameters, folder.join(".config"))
            .attempting(|| format!("cannot copy `{}`", parameters.display()))?;
    } else {
        folder::create(&world.folder.join("workspaces"))?;
        check_out(world, &folder)?;
    }
    Ok(folder)
}

/// The owners of both repositories read the pull requests and merge them.
pub async fn merge_all(world: &World) -> Result<(), Error> {
    for repository in [world.image_repository(), world.chart_repository()] {
        merge(world, &repository).await?;
    }
    Ok(())
}

/// Runs a pipeline to its end, in a workspace of its own, and what people do after it.
pub async fn run_pipeline(
    world: &World,
    containers: &Containers,
    operator: &Operator,
    (engine, run): (Engine, Run),
    number: u32,
) -> Result<Ended, Error> {
    let folder = workspace(world, engine, run)?;
    let output = operator.command(containers, (engine, run), &folder, number)?.output();
    let ended = Ended::of(&output.attempting(|| format!("cannot run {engine:?}'s engine"))?);
    if ended.code == 0 && run == Run::Release {
        merge_all(world).await?;
    }
    Ok(ended)
}
