//! Makes a schedule what the plan says. Where an answer is lost, the cron is read before anything is said of it, and what was changed before a
//! failure is in its report. Called by the run; it may not be cut by a signal, because Drone has no schedule for a moment.

use super::{Cron, Plan, Server, Step, Wanted, step};
use crate::ci::drone::Drone;
use crate::ci::error::Error;
use crate::failure::Failure;
use crate::report::{Ending, Report};

/// Order: Drone's old cron is deleted first, because a name can be there only once. If the new one is refused then, the old one is put back.
pub(super) async fn execute(server: &Server, plan: &Plan) -> Result<(), Failure> {
    if let (Server::Drone(drone), Step::Replace(old)) = (server, &plan.step) {
        return replace(drone, &plan.wanted, old).await;
    }
    let Err(error) = write(server, plan).await else { return Ok(()) };
    match server.cron(&plan.wanted).await {
        Ok(found) if is_as_wanted(&plan.wanted, found.as_ref()) => {
            answer_was_lost(&error);
            Ok(())
        }
        Ok(_) => Err(error.into()),
        Err(unknown) => Err(Failure::from(error).after(unclear(&plan.wanted, &unknown))),
    }
}

async fn write(server: &Server, plan: &Plan) -> Result<(), Error> {
    let Wanted { repository, name, expression, branch, .. } = &plan.wanted;
    match (server, &plan.step) {
        (_, Step::Nothing) => Ok(()),
        (Server::Drone(drone), Step::Create) => drone.create(repository, name, expression, branch).await,
        (Server::Drone(drone), Step::Change(_) | Step::Replace(_)) => {
            drone.change(repository, name, branch, true).await
        }
        (Server::Woodpecker(server, found), Step::Create) => {
            server.put_cron(&plan.wanted, found.id, None).await
        }
        (Server::Woodpecker(server, found), Step::Change(old) | Step::Replace(old)) => {
            server.put_cron(&plan.wanted, found.id, Some(&old.id)).await
        }
    }
}

async fn replace(drone: &Drone, wanted: &Wanted, old: &Cron) -> Result<(), Failure> {
    let Wanted { repository, name, expression, branch, .. } = wanted;
    if let Err(error) = drone.delete(repository, name).await {
        match drone.cron(repository, name).await {
            Ok(None) => answer_was_lost(&error),
            Ok(Some(_)) => return Err(error.into()),
            Err(unknown) => return Err(Failure::from(error).after(was(unclear(wanted, &unknown), old))),
        }
    }
    let Err(error) = drone.create(repository, name, expression, branch).await else { return Ok(()) };
    let mut found = drone.cron(repository, name).await;
    if !matches!(found, Ok(Some(_))) {
        if let Err(error) = put_back(drone, wanted, old).await {
            tracing::warn!("{}", crate::failure::chain(&error));
        }
        found = drone.cron(repository, name).await;
    }
    let report = match found {
        Ok(found) if is_as_wanted(wanted, found.as_ref()) => {
            answer_was_lost(&error);
            return Ok(());
        }
        Ok(found) => what_became(wanted, old, found.as_ref()),
        Err(unknown) => unclear(wanted, &unknown),
    };
    tracing::warn!("{}", report.summary);
    Err(Failure::from(error).after(was(report, old)))
}

/// Drone creates a cron switched on, so one that was off is switched off again.
async fn put_back(drone: &Drone, wanted: &Wanted, old: &Cron) -> Result<(), Error> {
    let Wanted { repository, name, .. } = wanted;
    drone.create(repository, name, &old.expression, &old.branch).await?;
    if old.is_enabled {
        return Ok(());
    }
    drone.change(repository, name, &old.branch, false).await
}

fn is_as_wanted(wanted: &Wanted, found: Option<&Cron>) -> bool {
    step(wanted, found.cloned(), true) == Step::Nothing
}

fn answer_was_lost(error: &Error) {
    tracing::warn!("{}; it was done all the same", crate::failure::chain(error));
}

/// What stands on the server after a replacement that failed.
fn what_became(wanted: &Wanted, old: &Cron, found: Option<&Cron>) -> Report {
    let Wanted { repository, name, .. } = wanted;
    let it = format!("the schedule `{name}` of `{repository}`");
    let Some(found) = found else {
        return Report::new(
            Ending::Failed,
            format!("{it} is gone: it was deleted, and none could be created"),
        )
        .then("remove the cause and run it again: it creates the schedule");
    };
    let state = |cron: &Cron| if cron.is_enabled { "on" } else { "off" };
    let words = if found == old {
        format!("is `{}` again, as before", old.expression)
    } else {
        format!("is `{}` on the branch `{}`, switched {}", found.expression, found.branch, state(found))
    };
    Report::new(Ending::Failed, format!("{it} {words}"))
}

fn unclear(wanted: &Wanted, unknown: &Error) -> Report {
    let Wanted { repository, name, .. } = wanted;
    let summary =
        format!("the schedule `{name}` of `{repository}` may have been changed: it could not be read again");
    Report::new(Ending::Failed, summary)
        .fact("not read", crate::failure::chain(unknown))
        .then("run it again: it goes on from whatever is there")
}

fn was(report: Report, old: &Cron) -> Report {
    let off = if old.is_enabled { "" } else { ", switched off" };
    report.fact("was", format!("`{}` on the branch `{}`{off}", old.expression, old.branch))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, wanted};
    use super::*;

    #[test]
    fn a_failed_replacement_says_what_stands_there_now() {
        let old = Cron { expression: "0 0 9 * * 4".into(), is_enabled: false, ..found() };
        let now = |found: Option<Cron>| what_became(&wanted(), &old, found.as_ref()).summary;
        assert!(now(None).contains("`weekly` of `erp/rpo` is gone"));
        assert!(now(Some(old.clone())).ends_with("is `0 0 9 * * 4` again, as before"));
        let is_on = Cron { is_enabled: true, ..old.clone() };
        assert!(now(Some(is_on)).ends_with("is `0 0 9 * * 4` on the branch `main`, switched on"));
    }
}
