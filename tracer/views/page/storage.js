// What the browser remembers between visits, where it does.

/** Keep a choice. */
export function remember(name, value) {
  try {
    localStorage.setItem(`tracer-${name}`, value);
  } catch {
    // a frame of its own has no storage
  }
}

/** A choice made earlier, if it is one of those allowed. */
export function remembered(name, allowed) {
  try {
    const value = localStorage.getItem(`tracer-${name}`);
    return allowed.includes(value) ? value : null;
  } catch {
    return null;
  }
}
