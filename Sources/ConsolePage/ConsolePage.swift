/// The console's one page. It holds no data: the script fills it.
package enum ConsolePage {
  package static let html = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>shadow-router console</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/console.css">
    <script src="/console.js" type="module"></script>
    </head>
    <body>
    <a class="skip" href="#content" id="skip">Skip to the content</a>
    <header>
    <p class="eyebrow">shadow-router</p>
    <div class="bar">
    <h1>Console</h1>
    <p id="link" class="pill mute">connecting</p>
    <div class="right">
    <button type="button" id="token">Enter token</button>
    <button type="button" id="kill" class="danger" disabled>Kill switch</button>
    </div>
    </div>
    <p id="state" role="status"></p>
    <nav aria-label="Parts of the console">
    <a href="#live">Live</a> <a href="#metrics">Metrics</a> <a href="#review">Review</a> <a href="#gates">Gates</a>
    <a href="#find">Find</a>
    </nav>
    </header>
    <main id="content" tabindex="-1">
    <noscript><p class="card">This page needs its script, which comes from this router alone. Without it, use
    <code>shadow-router status</code>, <code>shadow-router review</code> and <code>shadow-router report</code>.</p></noscript>
    <section id="view-live" hidden aria-labelledby="h-live">
    <h2 id="h-live" tabindex="-1">Live</h2>
    <div class="tiles" id="tiles"></div>
    <figure class="card rate"><h3>Calls decided each second, last two minutes</h3><div id="rate"></div></figure>
    <div class="head spread"><h3>Latest decisions</h3><button type="button" id="pause" aria-pressed="false">Pause</button></div>
    <ol class="rows" id="rows"></ol>
    </section>
    <section id="view-metrics" hidden aria-labelledby="h-metrics">
    <h2 id="h-metrics" tabindex="-1">Metrics</h2>
    <div class="head"><label for="window">Window</label>
    <select id="window"><option value="1h">last hour</option><option value="24h" selected>last 24 hours</option>
    <option value="7d">last 7 days</option><option value="30d">last 30 days</option><option value="">whole log</option></select>
    <span id="metrics-state" class="soft small" role="status"></span></div>
    <p class="claim" id="sentence"></p>
    <div class="grid charts" id="charts"></div>
    </section>
    <section id="view-review" hidden aria-labelledby="h-review">
    <h2 id="h-review" tabindex="-1">Review</h2>
    <div id="review"></div>
    </section>
    <section id="view-gates" hidden aria-labelledby="h-gates">
    <h2 id="h-gates" tabindex="-1">Gates</h2>
    <p class="soft">What each task still needs before a person may promote it. Nothing here promotes anything.</p>
    <div id="gates"></div>
    </section>
    <section id="view-find" hidden aria-labelledby="h-find">
    <h2 id="h-find" tabindex="-1">Find</h2>
    <form id="find-form" class="head"><label for="find-id">Call, run or task id</label>
    <input id="find-id" type="search" autocomplete="off" spellcheck="false" maxlength="256"><button>Find</button></form>
    <p id="find-state" class="soft" role="status"></p>
    <div id="found"></div>
    </section>
    </main>
    <footer><p id="about"></p></footer>
    <p id="announce" class="unseen" aria-live="polite"></p>
    <dialog id="dialog" aria-labelledby="dialog-title"></dialog>
    </body>
    </html>

    """#
}
