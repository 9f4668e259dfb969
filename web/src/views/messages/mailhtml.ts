// SPDX-License-Identifier: Apache-2.0
// Makes HTML that came by mail harmless to show: what could run, load, send or cover anything is left out before it is written
// into a frame that could do none of it either. Nothing of it reaches the page itself.

const elements = new Set(("a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure "
    + "font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th thead "
    + "time tr tt u ul var wbr").split(" "));
/* These go with all that is in them; of others that aren't known, what is in them stays. */
const dropped = new Set(["script", "style", "head", "title", "template", "iframe", "frame", "frameset", "object", "embed", "applet", "svg", "math", "noscript", "audio", "video",
    "canvas", "form", "input", "button", "select", "textarea", "link", "meta", "base", "portal", "dialog"]);
const attributes = new Set(["align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "color", "cols", "colspan", "dir", "face", "height", "lang", "rowspan", "size",
    "span", "start", "title", "type", "valign", "width"]);
/* Nothing that takes it out of its place, and nothing that names an address. */
const properties = /^(background-color|border(-(top|right|bottom|left))?(-(color|style|width|radius))?|border-(collapse|spacing)|color|direction|display|font(-(family|size|style|variant|weight))?|(max-|min-)?(height|width)|letter-spacing|line-height|list-style-type|margin(-(top|right|bottom|left))?|padding(-(top|right|bottom|left))?|text-(align|decoration|indent|transform)|vertical-align|white-space|word-break|word-spacing)$/;
const picture = /^data:image\/(png|jpeg|gif|webp|bmp)[;,]/i;
const most = 50_000;            /* elements; a mail of more is cut */

export interface Harmless {
    body: HTMLElement;
    /* Of each element that has a `data-look`: the CSP lets no style attribute in, but the frame's owner may set them. */
    looks: string[];
    remote: number;             /* pictures that were not loaded */
    inside: string[];           /* content ids of pictures that came along; each has a `data-inside` */
    cut: boolean;
}

function look(style: string): string {
    const probe = document.createElement("i").style;
    probe.cssText = style;
    return Array.from(probe).filter((name) => properties.test(name))
        .map((name) => [name, probe.getPropertyValue(name)] as const)
        .filter(([name, value]) => !/url\(|image\(|image-set\(|expression|position|fixed/i.test(value) && !(name === "display" && !/^(block|inline|inline-block|table.*|list-item|none)$/.test(value)))
        .map(([name, value]) => `${name}:${value}`).join(";");
}

/* Parsed, and nothing of it run or loaded. Any style or handler that the parser meets would be a breach of the CSP in the console; so those are
 * taken out of its sight first, which decides nothing: what is kept is chosen below. */
function parse(html: string): DocumentFragment {
    const template = document.createElement("template");
    template.innerHTML = html.replace(/<style\b[^]*?(<\/style\s*>|$)/gi, "")
        .replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/(["'\s/])(style|on[a-z]+)(?=\s*=)/gi, "$1data-$2"));
    return template.content;
}

export function harmless(html: string): Harmless {
    const found = parse(html);
    const made: Harmless = { body: document.implementation.createHTMLDocument("").body, looks: [], remote: 0, inside: [], cut: false };
    let left = most;

    function style(to: HTMLElement, from: Element) {
        const text = look(from.getAttribute("data-style") ?? "");
        if (text)
            to.dataset["look"] = String(made.looks.push(text) - 1);
    }

    function take(from: Node, into: Node, depth: number) {
        for (const child of from.childNodes) {
            if (child.nodeType === Node.TEXT_NODE) {
                into.appendChild(into.ownerDocument!.createTextNode(child.textContent ?? ""));
            } else if (child instanceof Element) {
                const name = child.localName;
                if (dropped.has(name))
                    continue;
                if (!elements.has(name) || depth > 200) {
                    take(child, into, depth + 1);
                    continue;
                }
                if (--left < 0) {
                    made.cut = true;
                    return;
                }
                const copy = into.ownerDocument!.createElement(name);
                for (const { name: own, value } of child.attributes)
                    if (attributes.has(own))
                        copy.setAttribute(own, value);
                style(copy, child);
                if (name === "img" && !showPicture(copy, child.getAttribute("src") ?? ""))
                    continue;
                if (name === "a")
                    nameTarget(copy, child.getAttribute("href") ?? "");
                into.appendChild(copy);
                take(child, copy, depth + 1);
            }
        }
    }

    /* One that is in the mail is shown; of others only that there was one, and what it says of itself. */
    function showPicture(copy: HTMLElement, source: string): boolean {
        if (picture.test(source)) {
            copy.setAttribute("src", source);
            return true;
        }
        if (/^cid:/i.test(source)) {
            copy.dataset["inside"] = String(made.inside.push(source.slice(4)) - 1);
            return true;
        }
        if (/^https?:|^\/\//i.test(source))
            made.remote++;
        copy.removeAttribute("width");
        copy.removeAttribute("height");
        return Boolean(copy.getAttribute("alt"));
    }

    /* A link leads nowhere from here; where it would is told on hover. */
    function nameTarget(copy: HTMLElement, target: string) {
        if (/^(https?|mailto|tel):/i.test(target))
            copy.setAttribute("title", target);
    }

    take(found, made.body, 0);
    return made;
}
