// A form from a JSON schema: what a question asks for, or the state that a run begins with. A field is `{element, read, complain}`:
// `read()` gives its value, undefined where it was left empty; `complain(place, words)` shows a fault, and says whether it could.

import { fill, h } from "./dom.js";

const LONG = 120;
let ids = 0;
const freshId = () => `field-${++ids}`;

/** A field for `schema`. `name` is its label, `required` whether it has to be filled in, `value` what it holds at first. */
export function fieldFor(schema, { name = "", required = true, value, root = schema, place = "" } = {}) {
  const known = resolved(schema, root);
  const given = value === undefined ? known.default : value;
  const options = { name: known.title ?? name, key: name, required, value: given, root, place };
  return maker(known)(known, options);
}

function maker(schema) {
  if ("const" in schema) return fixed;
  if (choicesOf(schema)) return choice;
  if (schema.oneOf || schema.anyOf) return nullable(schema) ? perhapsNull : variants;
  if (Array.isArray(schema.type)) return schema.type.includes("null") && schema.type.length === 2 ? perhapsNull : raw;
  const makers = {
    string: text,
    integer: figure,
    number: figure,
    boolean: yesOrNo,
    object: schema.properties ? object : raw,
    array: schema.items ? list : raw,
    null: fixed,
  };
  return makers[schema.type] ?? (schema.properties ? object : raw);
}

/** The schema with what it refers to inside of itself, and with the parts of `allOf` joined. */
function resolved(schema, root, depth = 0) {
  if (schema === true || typeof schema !== "object" || schema === null || depth > 20) return {};
  let found = schema;
  if (typeof found.$ref === "string" && found.$ref.startsWith("#/")) {
    const { $ref, ...own } = found;
    const parts = $ref
      .slice(2)
      .split("/")
      .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));
    const target = parts.reduce((at, part) => (at && Object.hasOwn(at, part) ? at[part] : undefined), root);
    found = { ...resolved(target, root, depth + 1), ...own };
  }
  if (Array.isArray(found.allOf)) {
    const { allOf, ...own } = found;
    const parts = allOf.map((part) => resolved(part, root, depth + 1));
    const properties = Object.assign({}, ...parts.map((part) => part.properties ?? {}), own.properties ?? {});
    const required = parts.flatMap((part) => part.required ?? []).concat(own.required ?? []);
    found = { ...Object.assign({}, ...parts), ...own, ...(Object.keys(properties).length ? { properties, required } : {}) };
  }
  return found;
}

function choicesOf(schema) {
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => [value, shown(value)]);
  const parts = schema.oneOf ?? schema.anyOf;
  if (parts?.length && parts.every((part) => part && typeof part === "object" && "const" in part))
    return parts.map((part) => [part.const, part.title ?? shown(part.const)]);
  return null;
}

const nullable = (schema) =>
  (schema.anyOf ?? schema.oneOf).length === 2 && (schema.anyOf ?? schema.oneOf).some((part) => part?.type === "null");
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** A label, what is described, the control, and room for a fault. */
function framed(schema, { name, required, place }, control, read) {
  const fault = h("span", { class: "fault", id: freshId(), hidden: true });
  const hint = schema.description ? h("span", { class: "quiet hint", id: freshId() }, schema.description) : null;
  control.setAttribute("aria-describedby", [hint?.id, fault.id].filter(Boolean).join(" "));
  const title = name ? h("span", { class: "field-name" }, name, required ? null : h("span", { class: "quiet" }, " (optional)")) : null;
  if (!title) control.setAttribute("aria-label", schema.description || "Answer");
  const element = h("label", { class: "field" }, title, hint, control, fault);
  return { element, read, complain: complainer(place, fault, control) };
}

function complainer(place, fault, control, inside = []) {
  return (where, words) => {
    if (where === null) {
      fault.hidden = true;
      control?.removeAttribute("aria-invalid");
      inside.forEach((field) => field.complain(null));
      return true;
    }
    if (where !== place && inside.some((field) => field.complain(where, words))) return true;
    if (where !== place && !where.startsWith(`${place}.`) && !where.startsWith(`${place}[`)) return false;
    fault.textContent = fault.hidden ? words : `${fault.textContent}; ${words}`;
    fault.hidden = false;
    control?.setAttribute("aria-invalid", "true");
    return true;
  };
}

function text(schema, options) {
  const types = { date: "date", time: "time", email: "email", uri: "url", "uri-reference": "text", password: "password" };
  const short =
    types[schema.format] || schema.pattern || (schema.maxLength ?? Infinity) <= LONG || (options.place !== "" && !schema.maxLength);
  const control =
    short || schema.format
      ? h("input", { type: types[schema.format] ?? "text", ".value": options.value ?? "", autocomplete: "off" })
      : h("textarea", { ".value": options.value ?? "", rows: 3 });
  const whole = options.place === "";
  return framed(schema, options, control, () => (control.value === "" && !whole && !options.required ? undefined : control.value));
}

function figure(schema, options) {
  const step = schema.multipleOf ?? (schema.type === "integer" ? 1 : "any");
  const control = h("input", {
    type: "number",
    step,
    min: schema.minimum,
    max: schema.maximum,
    ".value": options.value ?? "",
    class: "num",
  });
  const read = () => (control.value === "" ? (control.validity.badInput ? NaN : undefined) : Number(control.value));
  return framed(schema, options, control, read);
}

function yesOrNo(schema, options) {
  if (!options.required && options.value === undefined)
    return choice({ ...schema, enum: [true, false] }, options, [
      [true, "Yes"],
      [false, "No"],
    ]);
  const control = h("input", { type: "checkbox", ".checked": options.value === true });
  const field = framed(schema, options, control, () => control.checked);
  field.element.classList.add("check");
  return field;
}

function choice(schema, options, named = choicesOf(schema)) {
  const first = named.findIndex(([value]) => JSON.stringify(value) === JSON.stringify(options.value));
  const empty = first < 0 ? h("option", { value: "" }, options.required ? "Choose…" : "—") : null;
  const control = h(
    "select",
    {},
    empty ?? (options.required ? null : h("option", { value: "" }, "—")),
    named.map(([, words], index) => h("option", { value: index, selected: index === first }, words)),
  );
  return framed(schema, options, control, () => (control.value === "" ? undefined : named[Number(control.value)][0]));
}

function fixed(schema, options) {
  const value = "const" in schema ? schema.const : null;
  const control = h("output", { class: "mono" }, shown(value));
  return framed(schema, { ...options, required: true }, control, () => value);
}

function perhapsNull(schema, options) {
  const parts = schema.anyOf ?? schema.oneOf ?? schema.type.map((type) => ({ ...schema, type, default: undefined }));
  const other = parts.find((part) => part?.type !== "null");
  const inner = fieldFor(
    { ...resolved(other, options.root), title: undefined },
    { ...options, name: "", value: options.value ?? undefined },
  );
  return switched(schema, options, inner, "None", options.value === null || options.value === undefined, null);
}

/** A field that may be set aside by a box; then it gives `instead`. */
function switched(schema, options, inner, words, aside, instead) {
  const box = h("input", { type: "checkbox", ".checked": aside });
  const show = () => (inner.element.hidden = box.checked);
  box.addEventListener("change", show);
  show();
  const element = group(schema, options, [h("label", { class: "field check" }, box, h("span", {}, words)), inner.element]);
  return {
    element: element.element,
    read: () => (box.checked ? instead : inner.read()),
    complain: complainer(options.place, element.fault, null, [inner]),
  };
}

function variants(schema, options) {
  const parts = (schema.oneOf ?? schema.anyOf).map((part) => resolved(part, options.root));
  const names = parts.map(
    (part, index) => part.title ?? (part.enum ? part.enum.map(shown).join(" / ") : (part.type ?? `Form ${index + 1}`)),
  );
  const place = h("div", { class: "stack" });
  const chosen = h(
    "select",
    { "aria-label": `Which kind of ${options.name || "answer"}` },
    names.map((name, index) => h("option", { value: index }, name)),
  );
  let inner = null;
  const show = () => {
    inner = fieldFor({ ...parts[Number(chosen.value)], title: undefined }, { ...options, name: names[Number(chosen.value)] });
    fill(place, inner.element);
  };
  chosen.addEventListener("change", show);
  show();
  const { element, fault } = group(schema, options, [chosen, place]);
  return { element, read: () => inner.read(), complain: (where, words) => complainer(options.place, fault, chosen, [inner])(where, words) };
}

function object(schema, options) {
  const wanted = new Set(schema.required ?? []);
  const start = options.value && typeof options.value === "object" ? options.value : {};
  const fields = Object.entries(schema.properties).map(([key, part]) => [
    key,
    fieldFor(part, { name: key, required: wanted.has(key), value: start[key], root: options.root, place: `${options.place}.${key}` }),
  ]);
  const read = () => Object.fromEntries(fields.map(([key, field]) => [key, field.read()]).filter(([, value]) => value !== undefined));
  const { element, fault } = group(
    schema,
    options,
    fields.map(([, field]) => field.element),
  );
  const itself = {
    element,
    read,
    complain: complainer(
      options.place,
      fault,
      null,
      fields.map(([, field]) => field),
    ),
  };
  const optional = !options.required && options.value === undefined && options.place !== "";
  return optional ? switched({}, { ...options, name: "" }, itself, `Leave out ${options.name}`, true, undefined) : itself;
}

function list(schema, options) {
  const items = resolved(schema.items, options.root);
  const named = choicesOf(items);
  if (named && schema.uniqueItems) return boxes(schema, options, named);
  const rows = [];
  const place = h("div", { class: "stack" });
  const fault = h("span", { class: "fault", hidden: true });
  const add = (value) => {
    const field = fieldFor(items, {
      name: `${options.name || "Item"} ${rows.length + 1}`,
      required: true,
      value,
      root: options.root,
      place: `${options.place}[${rows.length}]`,
    });
    const row = {
      field,
      element: h(
        "div",
        { class: "row item" },
        field.element,
        h(
          "button",
          { type: "button", class: "plain", "aria-label": `Remove ${options.name || "item"} ${rows.length + 1}`, onclick: () => take(row) },
          "×",
        ),
      ),
    };
    rows.push(row);
    place.append(row.element);
    return row;
  };
  const take = (row) => {
    const values = rows.filter((other) => other !== row).map((other) => other.field.read());
    rows.length = 0;
    place.replaceChildren();
    values.forEach((value) => add(value)); // the places of those behind it have changed
    more.focus();
  };
  const more = h(
    "button",
    { type: "button", onclick: () => add().element.querySelector("input, select, textarea")?.focus() },
    `Add ${options.name ? `to ${options.name}` : "one"}`,
  );
  const start = Array.isArray(options.value) ? options.value : Array.from({ length: Math.min(schema.minItems ?? 0, 50) });
  start.forEach((value) => add(value));
  const framing = group(schema, options, [place, more, fault]);
  const read = () => (rows.length || options.required ? rows.map(({ field }) => field.read()) : undefined);
  return {
    element: framing.element,
    read,
    complain: (where, words) =>
      complainer(
        options.place,
        framing.fault,
        null,
        rows.map((row) => row.field),
      )(where, words),
  };
}

function boxes(schema, options, named) {
  const start = new Set((options.value ?? []).map((value) => JSON.stringify(value)));
  const all = named.map(([value, words]) => [value, h("input", { type: "checkbox", ".checked": start.has(JSON.stringify(value)) }), words]);
  const { element, fault } = group(
    schema,
    options,
    all.map(([, box, words]) => h("label", { class: "field check" }, box, h("span", {}, words))),
  );
  const read = () => {
    const chosen = all.filter(([, box]) => box.checked).map(([value]) => value);
    return chosen.length || options.required ? chosen : undefined;
  };
  return { element, read, complain: complainer(options.place, fault, null) };
}

function raw(schema, options) {
  const control = h("textarea", {
    class: "mono",
    rows: 4,
    spellcheck: "false",
    ".value": options.value === undefined ? "" : JSON.stringify(options.value, null, 2),
  });
  const named = { ...schema, description: [schema.description, "As JSON."].filter(Boolean).join(" ") };
  return framed(named, options, control, () => (control.value.trim() === "" ? undefined : parsed(control.value, options.place)));
}

export class NotJson extends Error {
  constructor(place, words) {
    super(words);
    this.place = place;
  }
}

function parsed(words, place) {
  try {
    return JSON.parse(words);
  } catch (error) {
    throw new NotJson(place, `this is no JSON: ${error.message}`);
  }
}

function group(schema, { name, required = true }, children) {
  const fault = h("span", { class: "fault", hidden: true });
  const title = name ? h("legend", {}, name, required ? null : h("span", { class: "quiet" }, " (optional)")) : null;
  const hint = schema.description ? h("p", { class: "quiet hint" }, schema.description) : null;
  const element = title
    ? h("fieldset", { class: "stack" }, title, hint, children, fault)
    : h("div", { class: "stack", role: "group", "aria-label": "Answer" }, hint, children, fault);
  return { element, fault };
}
