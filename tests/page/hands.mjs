// How three hands write the ten digits: strokes of points, 0 to 1, as a pen would go.

const PRINT = {
  0: [[[.5, .2], [.34, .3], [.3, .5], [.35, .72], [.5, .8], [.65, .7], [.7, .5], [.66, .3], [.5, .2]]],
  1: [[[.5, .2], [.5, .5], [.5, .8]]],
  2: [[[.32, .35], [.38, .23], [.52, .19], [.66, .28], [.64, .44], [.48, .62], [.31, .79]], [[.31, .79], [.7, .79]]],
  3: [[[.33, .26], [.48, .19], [.64, .26], [.62, .42], [.47, .49]], [[.47, .49], [.65, .55], [.67, .7], [.52, .8], [.34, .75]]],
  4: [[[.4, .2], [.3, .55], [.72, .55]], [[.6, .22], [.6, .5], [.6, .82]]],
  5: [[[.66, .21], [.38, .21]], [[.38, .21], [.36, .47]], [[.36, .47], [.52, .42], [.67, .55], [.63, .73], [.47, .8], [.33, .74]]],
  6: [[[.6, .19], [.42, .36], [.33, .6], [.42, .78], [.58, .78], [.66, .64], [.55, .52], [.4, .57]]],
  7: [[[.3, .22], [.7, .22]], [[.7, .22], [.55, .5], [.46, .82]]],
  8: [[[.62, .3], [.5, .2], [.38, .28], [.4, .42], [.58, .55], [.64, .7], [.5, .8], [.36, .7], [.42, .55], [.6, .42], [.62, .3]]],
  9: [[[.66, .35], [.54, .2], [.38, .27], [.37, .44], [.5, .51], [.65, .38]], [[.65, .38], [.64, .6], [.58, .82]]],
};

// As many in Europe write: one with a flag, seven with a bar, an open four; and other bows.
const SCRIPT = {
  ...PRINT,
  0: [[[.55, .18], [.38, .28], [.31, .52], [.4, .76], [.54, .8], [.67, .62], [.68, .36], [.57, .2], [.5, .19]]],
  1: [[[.38, .38], [.54, .2]], [[.54, .2], [.53, .5], [.52, .82]]],
  2: [[[.33, .32], [.45, .2], [.6, .22], [.66, .36], [.56, .55], [.4, .72], [.32, .78], [.48, .74], [.7, .8]]],
  4: [[[.42, .18], [.36, .36], [.31, .54], [.5, .56], [.72, .52]], [[.62, .36], [.6, .6], [.56, .84]]],
  7: [[[.3, .24], [.5, .2], [.69, .22]], [[.69, .22], [.57, .48], [.45, .82]], [[.4, .52], [.64, .5]]],
  9: [[[.64, .3], [.5, .2], [.37, .3], [.42, .46], [.58, .44], [.65, .3]], [[.65, .3], [.66, .55], [.58, .76], [.42, .8]]],
};

export const HANDS = {
  "a large, upright hand": { strokes: PRINT, size: 1, slant: 0, tremble: 0, at: [0, 0] },
  "a small, slanting hand in a corner": { strokes: SCRIPT, size: 0.55, slant: 0.22, tremble: 0, at: [-0.14, 0.12] },
  "a broad, trembling hand": { strokes: SCRIPT, size: 0.9, slant: -0.08, tremble: 0.012, at: [0.03, -0.02], broad: 1.2 },
};

// The strokes of `digit` in a hand, with the points between that a pointer reports.
export function strokesOf(hand, digit) {
  let seed = digit + 1;
  const noise = () => {
    seed = (seed * 16807) % 2147483647;
    return (seed / 2147483647 - 0.5) * 2 * hand.tremble;
  };
  const lay = ([x, y]) => [
    0.5 + hand.at[0] + hand.size * ((x - 0.5) * (hand.broad ?? 1) - (y - 0.5) * hand.slant) + noise(),
    0.5 + hand.at[1] + hand.size * (y - 0.5) + noise(),
  ];
  return hand.strokes[digit].map((stroke) => smooth(stroke).map(lay));
}

// A curve through all points (Catmull and Rom's).
function smooth(points) {
  if (points.length < 3) return [0, 0.25, 0.5, 0.75, 1].map((t) => points[0].map((a, axis) => a + (points[1][axis] - a) * t));
  const at = (i) => points[Math.min(points.length - 1, Math.max(0, i))];
  const curve = [];
  for (let i = 0; i + 1 < points.length; i++) {
    for (const t of [0, 0.25, 0.5, 0.75]) {
      curve.push([0, 1].map((axis) => {
        const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)].map((point) => point[axis]);
        return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2 + (3 * b - a - 3 * c + d) * t ** 3);
      }));
    }
  }
  return [...curve, points.at(-1)];
}
