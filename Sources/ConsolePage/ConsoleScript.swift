/// The console's script: everything is text nodes and drawn elements, never markup put together from what calls held.
package enum ConsoleScript {
  package static let text =
    ConsoleScriptParts.basics + ConsoleScriptParts.live + ConsoleScriptParts.metrics
    + ConsoleScriptParts.review + ConsoleScriptParts.rest
}

enum ConsoleScriptParts {}

extension ConsoleScriptParts {
  /// Elements, numbers in words, requests, dialogs, the token.
  static let basics = #"""
    'use strict';
    const $ = id => document.getElementById(id);

    // Control characters would break lines, marks of reading direction could make one text say another.
    const clean = text => String(text)
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, ' ')
      .replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g, '\ufffd');

    function fill(node, attributes, children) {
      for (const [name, value] of Object.entries(attributes || {})) {
        if (typeof value === 'function') node.addEventListener(name, value);
        else if (value === true) node.setAttribute(name, '');
        else if (value !== false && value != null) node.setAttribute(name, value);
      }
      for (const child of children.flat(Infinity)) {
        if (child != null && child !== false) node.append(child instanceof Node ? child : clean(child));
      }
      return node;
    }
    const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
    const draw = (name, attributes, ...children) =>
      fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
    const show = (id, ...children) => $(id).replaceChildren(...children.flat(Infinity).filter(Boolean));

    const count = n => (n ?? 0).toLocaleString('en');
    const percent = x => x == null ? 'not known' : (100 * x).toFixed(x > 0 && x < 0.01 ? 2 : 1) + ' %';
    const span = ms => ms == null ? 'not known' : ms < 10 ? ms.toFixed(1) + ' ms' : ms < 1000 ? Math.round(ms) + ' ms'
      : (ms / 1000).toFixed(ms < 10000 ? 2 : 1) + ' s';
    const usd = x => x == null ? 'not known' : '$' + (x >= 1 ? x.toFixed(2) : x === 0 ? '0' : x.toPrecision(3));
    const clock = ts => new Date(ts).toLocaleTimeString('en-GB');
    const when = ts => new Date(ts).toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'short'});
    const words = name => String(name ?? '').replaceAll('_', ' ');
    const pill = (text, tone) => el('span', {class: 'pill ' + tone}, text);
    const empty = (...children) => el('p', {class: 'empty'}, ...children);
    const code = text => el('code', {}, text);
    // `commands` between backticks are set as code.
    const prose = text => clean(text).split('`').map((part, i) => i % 2 ? code(part) : part);

    let announced = '';
    function announce(text) {
      // The same words twice are said twice only where the text changes.
      announced = text === announced ? text + '\u00a0' : text;
      $('announce').textContent = announced;
    }

    class Refused extends Error {
      constructor(status, code, message) { super(message); this.status = status; this.code = code; }
    }

    async function request(method, path, body) {
      const headers = {};
      if (token) headers['X-Shadow-Router-Token'] = token;
      if (body) headers['Content-Type'] = 'application/json';
      let response;
      try {
        response = await fetch(path, {method, headers, body: body && JSON.stringify(body), cache: 'no-store'});
      } catch {
        throw new Refused(0, 'away', 'The router does not answer. Is it running? Nothing was saved.');
      }
      const value = await response.json().catch(() => null);
      if (response.ok) return value;
      const error = value && value.error;
      throw new Refused(response.status, error && error.code || '', error && error.message || error || 'status ' + response.status);
    }

    /// Asks in a dialog. Gives the values of its fields, or null where it was closed.
    function ask({title, text, fields = [], confirm, danger}) {
      const dialog = $('dialog');
      return new Promise(done => {
        const inputs = fields.map(field => el(field.long ? 'textarea' : 'input',
          {id: 'ask-' + field.name, type: field.long ? null : field.type || 'text', autocomplete: 'off', spellcheck: 'false',
            required: field.required, maxlength: 500}));
        const form = el('form', {submit: event => { event.preventDefault(); finish(true); }},
          el('h2', {id: 'dialog-title'}, title), text && [].concat(text).map(t => t instanceof Node ? t : el('p', {}, t)),
          fields.map((field, i) => [el('label', {for: 'ask-' + field.name}, field.label), inputs[i]]),
          el('div', {class: 'choices'},
            el('button', {type: 'button', click: () => finish(false)}, confirm ? 'Cancel' : 'Close'),
            confirm && el('button', {class: danger ? 'danger' : 'main'}, confirm)));
        let isDone = false;
        const finish = isSure => {
          if (isDone) return;
          isDone = true;
          if (dialog.open) dialog.close();
          done(isSure ? Object.fromEntries(fields.map((field, i) => [field.name, inputs[i].value.trim()])) : null);
        };
        dialog.replaceChildren(form);
        // The event of a dialog before this one may come late.
        dialog.onclose = () => { if (!dialog.open) finish(false); };
        dialog.showModal();
      });
    }

    // The token stays in this tab and goes nowhere but to this router.
    let token = sessionStorage.getItem('token') || '';
    function keepToken(text) {
      token = text;
      if (text) sessionStorage.setItem('token', text); else sessionStorage.removeItem('token');
      $('token').textContent = token ? 'Change token' : 'Enter token';
    }
    async function askForToken(why) {
      const given = await ask({
        title: 'Token', confirm: 'Use it',
        text: [why || 'Labels and the kill switch need a token; looking does not.',
          el('p', {class: 'soft'}, 'It stands in ', code('keys/console-token'), ' in the router’s state folder, which only its owner may read. ',
            'It is kept until this tab closes. Leave the field empty to forget it.')],
        fields: [{name: 'token', label: 'Token', type: 'password'}]});
      if (!given) return false;
      // A line of the file may have been copied whole.
      keepToken(given.token.split(/\s+/).pop());
      return Boolean(token);
    }
    /// Does something that needs the token, asking for one where there is none or it is not taken.
    async function withToken(why, work) {
      if (!token && !await askForToken(why)) return undefined;
      for (;;) {
        try { return await work(); } catch (error) {
          if (error.status !== 401) throw error;
          const isKnown = error.code === 'token_needed';
          keepToken('');
          if (!await askForToken(isKnown ? 'This token is not one of the router’s.' : error.message)) return undefined;
        }
      }
    }

    """#
}
