// Figures and times in words, the same everywhere.

const count = new Intl.NumberFormat("en");

export const number = (value) => count.format(value);
/** A count with its noun: `plural(1, "step")`, `plural(2, "turn inside", "turns inside")`. */
export const plural = (times, one, many = `${one}s`) => `${number(times)} ${times === 1 ? one : many}`;
export const usd = (value) => (value === 0 ? "$0" : value < 0.01 ? `$${value.toFixed(5)}` : `$${value.toFixed(value < 1 ? 4 : 2)}`);

export function seconds(value) {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

export function ago(time) {
  const passed = Date.now() / 1000 - time;
  if (passed < 60) return "just now";
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return new Date(time * 1000).toLocaleDateString();
}

export const at = (time) => new Date(time * 1000).toLocaleString();
export const short = (id) => (id.length > 12 ? id.slice(0, 8) : id);
