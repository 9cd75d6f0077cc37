// Who the reader is: the wished name, kept in this browser, and the uids this tab has had.

const NAME_KEY = 'throng.name';
const UIDS_KEY = 'throng.uids';
const UIDS_KEPT = 32;

export class Identity {
  uid = null;
  name = '';
  #wish = read('localStorage', NAME_KEY) ?? '';
  #uids = new Set(JSON.parse(read('sessionStorage', UIDS_KEY) ?? '[]'));

  get wish() {
    return this.#wish;
  }

  set wish(name) {
    this.#wish = name;
    write('localStorage', NAME_KEY, name);
  }

  // A connection has its own uid. The earlier ones are kept, so that one's own words stay one's own after a reload.
  welcome({ uid, name }) {
    this.uid = uid;
    this.name = name;
    this.#uids.add(uid);
    write('sessionStorage', UIDS_KEY, JSON.stringify([...this.#uids].slice(-UIDS_KEPT)));
  }

  owns(uid) {
    return this.#uids.has(uid);
  }
}

// Storage may be forbidden or full; the chat works without it.
function read(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {
    // The name is then forgotten when the page closes.
  }
}
