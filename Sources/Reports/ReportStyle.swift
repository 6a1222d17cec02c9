/// The style sheet of the HTML report: one file, light and dark, screen, phone and paper.
package enum ReportStyle {
  package static let sheet: StaticString = """
    :root{color-scheme:light dark;--bg:#f6f5f1;--card:#fffefb;--ink:#242a31;--soft:#5b6570;--line:#e3dfd6;
    --good:#2c7a68;--bad:#b44c38;--warn:#94660f;--mute:#6a727c;--grey:#c3c7cd;--blue:#47669a;--code:#f0ede5;
    --good-bg:#e3f1ec;--bad-bg:#f8e6e1;--warn-bg:#f8eed6;--mute-bg:#ecebe7}
    @media (prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1b1f25;--ink:#e3e6ea;--soft:#a0a9b4;--line:#2d333b;
    --good:#63bfa8;--bad:#e58f78;--warn:#dcae55;--mute:#9aa3ae;--grey:#545c67;--blue:#88a7da;--code:#252a31;
    --good-bg:#1c332d;--bad-bg:#3a231d;--warn-bg:#362b16;--mute-bg:#272c33}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
    "Liberation Sans",sans-serif;-webkit-text-size-adjust:100%}
    main,header,footer{max-width:78rem;margin:0 auto;padding:0 1.25rem}
    header{padding-top:3rem}
    .eyebrow{color:var(--soft);font-size:.85rem;letter-spacing:.06em;margin:0}
    h1{font:600 2rem/1.2 ui-serif,Georgia,"Liberation Serif",serif;margin:.2rem 0 .3rem}
    h2{font:600 1.35rem/1.3 ui-serif,Georgia,"Liberation Serif",serif;margin:3rem 0 .8rem}
    h3{font-size:1.12rem;margin:0;overflow-wrap:anywhere}
    h4{font-size:.9rem;margin:0 0 .4rem;font-weight:600}
    p{margin:.5rem 0;max-width:46rem;overflow-wrap:anywhere}
    .soft{color:var(--soft)} .small{font-size:.88rem}
    a{color:var(--blue)}
    code{background:var(--code);border-radius:4px;padding:.1em .35em;font:.86em/1.5 ui-monospace,Menlo,Consolas,
    "Liberation Mono",monospace;white-space:nowrap;display:inline-block;max-width:100%;overflow-x:auto;vertical-align:bottom}
    .card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.25rem 1.4rem;margin:1rem 0}
    .claim{font:400 1.3rem/1.5 ui-serif,Georgia,"Liberation Serif",serif;margin:0 0 .6rem;max-width:52rem}
    dl.words{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.2rem;margin:.4rem 0 0;font-size:.92rem}
    dl.words dt{font-weight:600} dl.words dd{margin:0;color:var(--soft)}
    .pill{display:inline-block;border-radius:99px;padding:.08rem .65rem;font-size:.84rem;font-weight:600;white-space:nowrap}
    .pill.good{color:var(--good);background:var(--good-bg)} .pill.bad{color:var(--bad);background:var(--bad-bg)}
    .pill.warn{color:var(--warn);background:var(--warn-bg)} .pill.mute{color:var(--mute);background:var(--mute-bg)}
    .scroll{overflow-x:auto;margin:.8rem 0;border:1px solid var(--line);border-radius:10px;background:var(--card)}
    .card .scroll{border-radius:8px}
    table{border-collapse:collapse;width:100%;font-size:.9rem}
    caption{text-align:left;font-weight:600;padding:.6rem .8rem .2rem;font-size:.88rem;color:var(--soft)}
    th,td{text-align:left;padding:.45rem .8rem;border-top:1px solid var(--line);vertical-align:top}
    thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.82rem;vertical-align:bottom}
    tbody th{font-weight:500}
    .number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
    td code{display:inline;white-space:normal;overflow-wrap:break-word}
    @media (max-width:40rem){code{white-space:normal;overflow-wrap:anywhere;display:inline}}
    #tasks~.scroll th,#tasks~.scroll td{padding-left:.55rem;padding-right:.55rem}
    .glance dl{display:grid;grid-template-columns:11rem minmax(0,1fr);gap:.75rem 1.2rem;margin:0}
    .glance dt{font-weight:600} .glance dd{margin:0;max-width:48rem;overflow-wrap:anywhere}
    ol.actions{margin:0;padding-left:1.2rem} ol.actions li{padding:.12rem 0}
    nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:1.2rem 0 0;font-size:.92rem}
    [id]{scroll-margin-top:1rem} .case:target{outline:2px solid var(--blue);outline-offset:.4rem;border-radius:6px}
    details.gate{padding:.8rem 1.2rem} summary strong{color:var(--ink)}
    .head{display:flex;flex-wrap:wrap;gap:.4rem .7rem;align-items:baseline}
    .next{border-left:3px solid var(--blue);padding:.1rem 0 .1rem .9rem;margin:.9rem 0}
    .next p{margin:.15rem 0}
    .challenge{border-top:1px solid var(--line);margin-top:1.4rem;padding-top:1.2rem}
    .grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem 1.6rem;margin:1.1rem 0}
    .grid>*{min-width:0} .grid svg{max-width:34rem}
    figure{margin:0} figcaption{font-size:.85rem;color:var(--soft);margin-top:.3rem}
    .chart{overflow-x:auto}
    svg{display:block;width:100%;height:auto;max-width:100%}
    .chart svg{min-width:20rem} .wide svg{min-width:40rem}
    svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;fill:var(--ink)}
    svg .s{fill:var(--soft)} svg .e{text-anchor:end} svg .m{text-anchor:middle}
    svg .good{fill:var(--good)} svg .bad{fill:var(--bad)} svg .grey{fill:var(--grey)} svg .blue{fill:var(--blue)}
    svg .light{fill:var(--bad);opacity:.35} svg .frontier{fill:var(--mute)} svg .upkeep{fill:var(--warn)}
    svg .track{fill:var(--mute-bg)} svg .axis{stroke:var(--line)} svg .limit{stroke:var(--warn);stroke-dasharray:4 3}
    svg .whisker{stroke:var(--bad);stroke-width:2} svg .range{stroke:var(--blue);stroke-width:6;stroke-linecap:round;opacity:.35}
    svg .diagonal{stroke:var(--soft);stroke-dasharray:5 4} svg .error{stroke:var(--soft);stroke-width:1.5;opacity:.6}
    svg polyline{fill:none;stroke-width:2;stroke-linejoin:round} svg .trace-good{stroke:var(--good)}
    svg .trace-bad{stroke:var(--bad)} svg .trace-bound{stroke:var(--bad);stroke-dasharray:2 3;stroke-width:1.5}
    .key{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin:0 .35em 0 .9em}
    .key:first-child{margin-left:0}
    .key.good{background:var(--good)} .key.bad{background:var(--bad)} .key.grey{background:var(--grey)}
    ol.cases{list-style:none;margin:0;padding:0}
    .case{border-top:1px solid var(--line);padding:.9rem 0}
    .case:first-child{border-top:0}
    .said{display:grid;grid-template-columns:6.5rem minmax(0,1fr);gap:.25rem .9rem;margin:.5rem 0 0;font-size:.92rem}
    .said dt{color:var(--soft)} .said dd{margin:0;overflow-wrap:anywhere}
    .preview{font:.86em/1.5 ui-monospace,Menlo,Consolas,"Liberation Mono",monospace;color:var(--soft)}
    details{margin:.8rem 0} summary{cursor:pointer;color:var(--blue);font-size:.92rem}
    ul.plain{list-style:none;margin:.4rem 0;padding:0;font-size:.92rem} ul.plain li{padding:.2rem 0;overflow-wrap:anywhere}
    footer{color:var(--soft);font-size:.88rem;padding-top:1.5rem;padding-bottom:4rem}
    @media (max-width:40rem){header{padding-top:1.6rem}h1{font-size:1.6rem}.claim{font-size:1.12rem}
    .card{padding:1rem}dl.words{grid-template-columns:minmax(0,1fr)}dl.words dd{margin-bottom:.4rem}
    .said{grid-template-columns:5.4rem minmax(0,1fr);gap:.2rem .7rem}.glance dl{grid-template-columns:minmax(0,1fr);gap:.1rem}
    .glance dd{margin-bottom:.7rem}.pill{white-space:normal}
    table:has(td:nth-child(7)){min-width:60rem}
    .stack thead{display:none}.stack tr{display:block;padding:.5rem .8rem;border-top:1px solid var(--line)}
    .stack th,.stack td{display:block;border:0;padding:.1rem 0}.stack tbody th{font-weight:600}
    .stack td::before{content:attr(data-label) ": ";color:var(--soft)}.stack td:nth-child(4),.stack td:nth-child(6){display:none}}
    @media print{:root{--bg:#fff;--card:#fff}body{font-size:11pt}header{padding-top:0}.card,.case,figure,tr{break-inside:avoid}
    .scroll,.chart{overflow:visible}.wide svg{min-width:0}h2,h3{break-after:avoid}*{-webkit-print-color-adjust:exact;
    print-color-adjust:exact}nav{display:none}
    table{font-size:8.5pt}table:has(td:nth-child(7)){font-size:7pt;min-width:0}th,td{padding:.15rem .3rem;overflow-wrap:anywhere}
    thead th{font-size:inherit}.number,.pill{white-space:normal}td code{min-width:0}code{white-space:normal;overflow:visible;overflow-wrap:anywhere;display:inline}details::details-content{content-visibility:visible;display:block}a{color:inherit;text-decoration:none}}
    """
}
