/** A progress bar on a terminal, a plain line now and then where there is none, nothing for programs. */

const cells = 24;
/** ms between two drawings, and between two lines. */
const pace = 100;
const linePace = 10_000;

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class Bar {
  readonly #on: boolean;
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #every: number;
  #shown = 0;
  #drawn = false;

  /** `quiet`: for programs, which read no bars. */
  constructor(quiet: boolean, screen: Screen = process.stderr, now: () => number = Date.now) {
    this.#screen = screen;
    this.#now = now;
    this.#on = !quiet;
    const isTerminal = screen.isTTY === true;
    this.#every = isTerminal ? pace : linePace;
    // The first line is for what takes long enough to ask.
    this.#shown = isTerminal ? 0 : now();
  }

  /** True if the next `show` would be seen. */
  get isDue(): boolean {
    return this.#on && this.#now() - this.#shown >= this.#every;
  }

  /** `total` null: nobody knows how much there is. */
  show(done: number, total: number | null, text: string): void {
    if (!this.isDue) return;
    this.#shown = this.#now();
    if (this.#screen.isTTY !== true) {
      this.#screen.write(`${share(done, total)}${text}\n`);
      return;
    }
    this.#drawn = true;
    const line = `${bar(done, total)}${share(done, total)}${text}`;
    // A line that wraps would not be taken back whole.
    this.#screen.write(`\r\u001b[K${cut(line, (this.#screen.columns ?? 0) - 1)}`);
  }

  end(): void {
    if (this.#drawn) this.#screen.write('\r\u001b[K');
  }
}

const cut = (text: string, columns: number): string =>
  columns > 20 && text.length > columns ? `${text.slice(0, columns - 1)}…` : text;

const shareOf = (done: number, total: number | null): number | null =>
  total === null || total <= 0 ? null : Math.min(1, done / total);

const bar = (done: number, total: number | null): string => {
  const part = shareOf(done, total);
  if (part === null) return '';
  const full = Math.round(part * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} `;
};

const share = (done: number, total: number | null): string => {
  const part = shareOf(done, total);
  return part === null ? '' : `${String(Math.floor(part * 100)).padStart(3)} %  `;
};
