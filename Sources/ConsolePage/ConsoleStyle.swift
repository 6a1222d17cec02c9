import Reports

/// The report's style sheet, and what a page that people work with needs beside it.
package enum ConsoleStyle {
  package static let sheet = ReportStyle.sheet.description + more

  private static let more = #"""

    [hidden]{display:none!important}
    .skip{position:absolute;left:-99rem;top:.4rem;background:var(--card);padding:.4rem .8rem;border-radius:6px}
    .skip:focus{left:.6rem;z-index:2}
    .unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
    :focus-visible{outline:3px solid var(--blue);outline-offset:2px}
    h2:focus,main:focus,.item:focus{outline:0}
    header{padding-top:1.4rem}
    .bar{display:flex;flex-wrap:wrap;align-items:center;gap:.4rem .9rem} .bar h1{margin:0} .bar p{margin:0}
    .right{margin-left:auto;display:flex;flex-wrap:wrap;gap:.5rem}
    #state{max-width:none;min-height:1.6em;margin:.5rem 0 .8rem;font-size:.92rem;color:var(--soft)}
    #state.killed{background:var(--bad-bg);color:var(--bad);border-radius:8px;padding:.5rem .9rem;font-weight:600}
    nav{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;border-bottom:1px solid var(--line)}
    nav a{padding:.45rem .1rem;color:var(--soft);text-decoration:none;border-bottom:3px solid transparent;font-weight:600}
    nav a:hover{color:var(--ink)} nav a[aria-current]{color:var(--ink);border-color:var(--blue)}
    nav .count{font-weight:400;color:var(--soft)}
    h2{margin-top:1.6rem}
    button,input,select,textarea{font:inherit;color:inherit;background:var(--card);border:1px solid var(--mute);
    border-radius:8px;padding:.4rem .8rem;max-width:100%}
    button{cursor:pointer;font-size:.92rem} button:hover:not(:disabled){border-color:var(--ink)}
    button:disabled{opacity:.55;cursor:not-allowed}
    button.danger{color:var(--bad);border-color:var(--bad)} button.main{background:var(--blue);border-color:var(--blue);
    color:var(--card);font-weight:600}
    kbd{font:.82em ui-monospace,Menlo,Consolas,"Liberation Mono",monospace;border:1px solid var(--line);border-bottom-width:2px;
    border-radius:4px;padding:0 .4em;color:var(--soft);background:var(--bg)}
    .spread{justify-content:space-between;margin-top:1.6rem}
    .head label{font-size:.92rem}
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.8rem}
    .tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.8rem 1rem}
    .tile b{display:block;font:600 1.5rem/1.2 ui-serif,Georgia,"Liberation Serif",serif;font-variant-numeric:tabular-nums}
    .tile span{display:block;font-size:.84rem;line-height:1.35;margin-top:.2rem;color:var(--soft)} .tile.bad b{color:var(--bad)}
    .rate h3{font-size:.9rem;margin-bottom:.4rem} .rate svg{height:4.6rem}
    ol.rows{list-style:none;margin:.6rem 0;padding:0}
    .row{display:grid;grid-template-columns:4.6rem 11rem 9.5rem 1fr;gap:.1rem .9rem;padding:.55rem 0;
    border-top:1px solid var(--line);font-size:.92rem;align-items:baseline}
    .row>*{min-width:0;overflow-wrap:anywhere} .row .pill{justify-self:start;overflow-wrap:normal} .row time{color:var(--soft);font-variant-numeric:tabular-nums}
    .row .more{grid-column:2/-1;color:var(--soft)} .row .preview{margin-right:.6em}
    #sentence{margin:1rem 0} .charts figure{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem 1.1rem;margin:0}
    .charts h3{font-size:1rem;margin-bottom:.5rem}
    svg .live{fill:none;stroke:var(--ink);stroke-width:1.6} svg .area{fill:var(--blue);opacity:.25}
    svg .stroke{fill:none;stroke:var(--blue);stroke-width:1.6}
    .item .said{grid-template-columns:8rem 1fr} .text{white-space:pre-wrap;overflow-wrap:anywhere}
    .two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:1rem;margin:1rem 0}
    .two>div,.box{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;min-width:0}
    .two h4,.box h4{color:var(--soft)} .box{margin:1rem 0;background:var(--bg)}
    .choices{display:flex;flex-wrap:wrap;gap:.6rem;margin:1.1rem 0 .6rem} .choices button{padding:.55rem 1rem}
    .extras{display:flex;flex-wrap:wrap;gap:.5rem 1.4rem;align-items:center;font-size:.92rem}
    fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1rem} legend{float:left;padding:0;margin-right:1rem}
    .extras textarea{width:100%;min-height:3.2rem} .wide-field{flex-basis:100%}
    dialog{background:var(--card);color:var(--ink);border:1px solid var(--line);border-radius:14px;padding:1.4rem 1.6rem;
    max-width:min(34rem,calc(100vw - 2rem))}
    dialog::backdrop{background:rgb(0 0 0/.45)} dialog h2{margin:0 0 .6rem} dialog label{display:block;margin:.8rem 0 .2rem}
    dialog input,dialog textarea{width:100%} dialog .choices{justify-content:flex-end;margin-bottom:0}
    dialog dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1rem} dialog dd{margin:0}
    #find-id{flex:1 1 18rem}
    pre{white-space:pre-wrap;overflow-wrap:anywhere;font:.82rem/1.5 ui-monospace,Menlo,Consolas,"Liberation Mono",monospace;
    background:var(--code);border-radius:8px;padding:.8rem}
    .empty{color:var(--soft);border:1px dashed var(--mute);border-radius:12px;padding:1.1rem 1.3rem}
    .alert{background:var(--bad-bg);color:var(--bad);border-radius:8px;padding:.5rem .9rem;max-width:none}
    @media (max-width:46rem){.row{grid-template-columns:4.6rem 1fr}.row .why,.row .more{grid-column:1/-1}
    .item .said{grid-template-columns:1fr;gap:0}.item .said dd{margin-bottom:.5rem}.right{margin-left:0}
    .choices button{flex:1 1 40%}#gates thead{display:none}#gates table,#gates tbody{display:block}
    #gates tr{display:grid;grid-template-columns:1fr auto;border-top:1px solid var(--line);padding:.4rem .8rem}
    #gates td,#gates th{border:0;padding:.1rem 0}#gates td:nth-child(n+3){grid-column:1/-1}#gates td:nth-child(4)::before{content:'wanted: '}nav{gap:.2rem .8rem;font-size:.92rem}.chart svg{min-width:0}}
    @media (prefers-reduced-motion:no-preference){.row.new{animation:fresh 1.4s ease-out}
    @keyframes fresh{from{background:var(--good-bg)}}}

    """#
}
