// SPDX-License-Identifier: Apache-2.0
// Which of many rows of one height are in sight: the rest needn't be drawn.

const beyond = 8;               /* rows more on either side, so that scrolling shows no gap */

export class Rows {
    #top = $state(0);
    #view = $state(800);
    #box: HTMLElement | null = null;

    constructor(readonly height: number, readonly count: () => number, readonly head = () => 0) {}

    get from(): number { return Math.max(0, Math.floor((this.#top - this.head()) / this.height) - beyond); }
    get to(): number { return Math.min(this.count(), Math.ceil((this.#top - this.head() + this.#view) / this.height) + beyond); }

    /* For the element that scrolls: {@attach rows.scroller}. */
    scroller = (box: HTMLElement) => {
        const look = () => {
            this.#top = box.scrollTop;
            this.#view = box.clientHeight;
        };
        const sizes = new ResizeObserver(look);
        this.#box = box;
        sizes.observe(box);
        box.addEventListener("scroll", look, { passive: true });
        look();
        return () => {
            sizes.disconnect();
            box.removeEventListener("scroll", look);
            this.#box = null;
        };
    };

    /* Scrolls no further than it takes. */
    show(at: number): void {
        const box = this.#box, top = this.head() + at * this.height;
        if (!box || at < 0)
            return;
        if (top < box.scrollTop)
            box.scrollTop = top;
        else if (top + this.height > box.scrollTop + box.clientHeight)
            box.scrollTop = top + this.height - box.clientHeight;
        this.#top = box.scrollTop;
    }
}
