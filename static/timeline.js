// Where this page stands in the room's history: decides what is new, what is known and what was missed.

export class Timeline {
  epoch = null;
  offset = 0;

  // Answers what a `joined` frame adds, and whether it starts the history anew.
  join({ epoch, offset, history }) {
    const restarted = epoch !== this.epoch;
    const known = restarted ? 0 : this.offset;
    const added = history.filter((message) => message.offset > known);
    const oldest = added[0]?.offset ?? offset + 1;
    this.epoch = epoch;
    this.offset = offset;
    return { restarted, added, missed: restarted ? 0 : oldest - known - 1 };
  }

  // False for a message that is known already.
  accept({ offset }) {
    if (offset <= this.offset) return false;
    this.offset = offset;
    return true;
  }

  get position() {
    return this.epoch === null ? {} : { since: this.offset, epoch: this.epoch };
  }
}
