//! The owner of all sessions ends in each of the ways a server may end.

use super::{Rig, each};

#[test]
fn a_killed_owners_sessions_go_on_at_others() {
    each("owner killed", |plan| {
        let mut rig = Rig::start(&plan);
        rig.servers[0].kill();
        rig.round();
        rig.round();
        rig.finish();
    });
}
