/** Tells a person what is being done, how long it took, and what came of it. */
export interface Narrator {
  heading(text: string): void;
  /** Runs `work` under a title; `work` may tell how far it is. */
  step<T>(title: string, work: (progress: (detail: string) => void) => Promise<T>): Promise<T>;
  /** Shows a result below the last step. */
  show(text: string): void;
}

const FRAMES = ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇'];
/** Milliseconds between two frames. */
const FRAME = 120;

/** Columns of the titles: the times stand below each other. */
const WIDTH = 60;

function formatSeconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(2).padStart(6)} s`;
}

/** On a terminal, the line of a running step moves; in a pipe each step is one plain line when it has ended. */
export function createNarrator(output: NodeJS.WriteStream): Narrator {
  const { isTTY } = output;
  const write = (text: string) => void output.write(text);
  const paint = (code: number, text: string) => (isTTY ? `\u001b[${code}m${text}\u001b[0m` : text);
  const clear = () => write(isTTY ? '\r\u001b[K' : '');

  /** Draws a moving line until it is told to stop. */
  function animate(line: () => string): () => void {
    if (!isTTY) return () => undefined;
    let frame = 0;
    const draw = () => {
      clear();
      write(`${paint(36, FRAMES[frame++ % FRAMES.length] ?? '')} ${line()}`);
    };
    draw();
    const timer = setInterval(draw, FRAME);
    return () => clearInterval(timer);
  }

  return {
    heading: text => write(`\n${paint(1, text)}\n`),
    show(text) {
      const lines = text.trimEnd().split('\n');
      write(lines.map(line => `    ${paint(2, line)}\n`).join(''));
    },
    async step(title, work) {
      const started = performance.now();
      let detail = '';
      const line = () => `${title.padEnd(WIDTH)} ${formatSeconds(started)}${detail && `  ${detail}`}`;
      const stop = animate(line);
      const end = (sign: string) => {
        stop();
        clear();
        detail = '';
        write(`${sign} ${line()}\n`);
      };
      try {
        const result = await work(progress => (detail = progress));
        end(paint(32, '✓'));
        return result;
      } catch (error) {
        end(paint(31, '✗'));
        throw error;
      }
    },
  };
}
