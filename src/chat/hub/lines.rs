//! What the lines of `lines` clients do. They are in one room at a time.

use super::{
    super::{
        ClientId, Dismissal, Now, Outbox, Payload,
        lines::{Command, HELP, Line},
        refusal::Refusal,
        text,
    },
    Arrival, Hub,
};

impl Hub {
    pub(super) fn receive_line(&mut self, client: ClientId, message: &str, now: Now, out: &mut impl Outbox) {
        let Some(command) = Command::parse(message) else { return };
        if let Err(refusal) = self.obey(client, &command, now, out) {
            self.refuse(client, &refusal, None, out);
        }
    }

    fn obey(
        &mut self,
        client: ClientId,
        command: &Command<'_>,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        match *command {
            Command::Say(text) => {
                let room = self.room_of(client, None)?;
                self.say(client, room, &text::without_controls(text), None, now, out)?;
            }
            Command::Nick(name) => self.rename(client, name, now, out)?,
            Command::Join(room) => self.move_to(client, room, now, out)?,
            Command::Who => self.send_listing(client, out)?,
            Command::Help => HELP.iter().for_each(|line| self.send_line(client, &Line::Notice(line), out)),
            Command::Quit => self.log_out(client, now, out),
            Command::Unknown(command) => self.send_line(client, &Line::UnknownCommand(command), out),
        }
        Ok(())
    }

    /// The new room is made sure of before the old one is left.
    fn move_to(
        &mut self,
        client: ClientId,
        name: &str,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let room = self.open_room(name)?;
        let memberships = &self.clients.present(client.slot).memberships;
        if memberships.contains(room) {
            let name = self.rooms.get(room).name.clone();
            self.send_line(client, &Line::AlreadyIn { room: &name }, out);
            return Ok(());
        }
        if let Some(left) = memberships.only() {
            self.depart(client, left, now, out);
        }
        self.admit(client, room, Arrival::default(), now, out);
        Ok(())
    }

    fn send_listing(&mut self, client: ClientId, out: &mut impl Outbox) -> Result<(), Refusal> {
        let room = self.rooms.get(self.room_of(client, None)?);
        let listed = room.listed(self.settings.presence_limit, &self.clients);
        let line = Line::Who { room: &room.name, online: room.members.len(), listed, clients: &self.clients };
        line.write(&self.settings.time_zone, &mut self.scratch);
        self.cost.answer(self.scratch.len());
        out.send(client, Payload::Text(&self.scratch));
        Ok(())
    }

    /// The leaver reads the line of its going as well, however large the room.
    fn log_out(&mut self, client: ClientId, now: Now, out: &mut impl Outbox) {
        let leaver = self.clients.present(client.slot);
        Line::Logout { time: now.time, name: &leaver.name }
            .write(&self.settings.time_zone, &mut self.scratch);
        out.send(client, Payload::Text(&self.scratch));
        self.dismiss(client, Dismissal::Logout, now, out);
    }

    fn send_line(&mut self, client: ClientId, line: &Line<'_>, out: &mut impl Outbox) {
        line.write(&self.settings.time_zone, &mut self.scratch);
        out.send(client, Payload::Text(&self.scratch));
    }
}
