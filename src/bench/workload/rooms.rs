//! Which clients are in which room, and which of them send.

/// The rooms of a run. Clients are dealt out to them in turn, and so are senders: number `n` is in room `n % rooms`, at
/// place `n / rooms`.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    /// The clients that send.
    senders: Vec<usize>,
    /// Per room, the members that are to receive its messages.
    hearers: Vec<u64>,
}

impl Rooms {
    /// One room for each entry of `hearers`. `members` clients, at least one per room, are members; in each room
    /// `senders` of them send, spread evenly over it.
    pub fn new(members: usize, senders: usize, hearers: Vec<u64>) -> Rooms {
        let rooms = hearers.len();
        let members_each = members / rooms;
        let senders_each = senders.min(members_each);
        let place_of = |sender: usize| sender / rooms * members_each / senders_each;
        let senders = (0..rooms * senders_each).map(|sender| place_of(sender) * rooms + sender % rooms);
        Rooms { senders: senders.collect(), hearers }
    }

    pub fn count(&self) -> usize {
        self.hearers.len()
    }

    /// The room of a client or a sender.
    pub fn room(&self, number: usize) -> usize {
        number % self.count()
    }

    /// The clients that send, dealt out to the rooms in turn.
    pub fn senders(&self) -> &[usize] {
        &self.senders
    }

    pub fn senders_each(&self) -> usize {
        self.senders.len() / self.count()
    }

    /// A sender's place among the senders of its room.
    pub fn place(&self, sender: usize) -> usize {
        sender / self.count()
    }

    /// Members that are to receive a sender's messages.
    pub fn hearers(&self, sender: usize) -> u64 {
        self.hearers[self.room(sender)]
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
    fn a_sender_is_heard_by_the_members_of_its_room() {
        let rooms = Rooms::new(12, 2, vec![5, 4, 3]);
        let heard: Vec<u64> = (0..6).map(|sender| rooms.hearers(sender)).collect();
        assert_eq!(heard, [5, 4, 3, 5, 4, 3]);
    }
}
