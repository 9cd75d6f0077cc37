//! Which clients are in which room, and which of them send.

/// The rooms of a run. Clients are assigned to them in turn. So are senders: sender `n` is in room `n %
/// rooms`, with index `n / rooms` among its senders.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    /// The clients that send.
    senders: Vec<usize>,
    /// Per room, the number of members that receive its messages.
    recipients: Vec<u64>,
}

impl Rooms {
    /// Creates one room for each entry of `recipients`. `members` clients, at least one per room, are members.
    /// In each room `senders` of them send, spread evenly.
    pub fn new(members: usize, senders: usize, recipients: Vec<u64>) -> Rooms {
        let rooms = recipients.len();
        let members_each = members / rooms;
        let senders_each = senders.min(members_each);
        let place_of = |sender: usize| sender / rooms * members_each / senders_each;
        let senders = (0..rooms * senders_each).map(|sender| place_of(sender) * rooms + sender % rooms);
        Rooms { senders: senders.collect(), recipients }
    }

    pub fn count(&self) -> usize {
        self.recipients.len()
    }

    /// Returns the room of a client or a sender.
    pub fn room(&self, number: usize) -> usize {
        number % self.count()
    }

    /// Returns the clients that send, assigned to the rooms in turn.
    pub fn senders(&self) -> &[usize] {
        &self.senders
    }

    pub fn senders_each(&self) -> usize {
        self.senders.len() / self.count()
    }

    /// Returns a sender's index among the senders of its room.
    pub fn place(&self, sender: usize) -> usize {
        sender / self.count()
    }

    /// Returns the number of members that receive a sender's messages.
    pub fn recipients(&self, sender: usize) -> u64 {
        self.recipients[self.room(sender)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_spread_over_each_room() {
        for (members, senders, rooms, expected) in [
            (100, 4, 1, &[0, 25, 50, 75][..]),
            (3, 10, 1, &[0, 1, 2]),
            (12, 2, 3, &[0, 1, 2, 6, 7, 8]),
            (14, 1, 4, &[0, 1, 2, 3]),
            (5, 7, 5, &[0, 1, 2, 3, 4]),
        ] {
            let rooms = Rooms::new(members, senders, vec![0; rooms]);
            assert_eq!(rooms.senders(), expected);
            for (number, client) in expected.iter().enumerate() {
                assert_eq!(rooms.room(number), rooms.room(*client));
                assert!(rooms.place(number) < rooms.senders_each());
            }
        }
    }

    #[test]
    fn messages_of_a_sender_reach_the_members_of_its_room() {
        let rooms = Rooms::new(12, 2, vec![5, 4, 3]);
        let received: Vec<u64> = (0..6).map(|sender| rooms.recipients(sender)).collect();
        assert_eq!(received, [5, 4, 3, 5, 4, 3]);
    }
}
