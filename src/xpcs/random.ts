/**
 * Seeded random numbers for simulated samples: the same seed gives the same sample on every machine.
 * xoshiro128** 1.1 (Blackman and Vigna, https://prng.di.unimi.it), its state filled by splitmix32. Not for secrets.
 */

const TWO_PI = 2 * Math.PI;

export class Random {
  readonly #state = new Uint32Array(4);

  /** @param seed any integer; its low 32 bits count */
  constructor(seed: number) {
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = z ^ (z >>> 15);
    }
  }

  /** Uniform integer in 0 .. 2^32 - 1. */
  uint32(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const scrambled = Math.imul(s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const s2 = s[2]! ^ s[0]!;
    const s3 = s[3]! ^ s1;
    s[1] = s1 ^ s2;
    s[0]! ^= s3;
    s[2] = s2 ^ (s1 << 9);
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** Uniform in the open interval (0, 1), in steps of 2^-32: safe as the argument of a logarithm. */
  uniform(): number {
    return (this.uint32() + 0.5) * 2.3283064365386963e-10;
  }

  /** Exponential with mean 1. */
  exponential(): number {
    return -Math.log(this.uniform());
  }

  /** Normal with mean 0 and variance 1 (Box and Muller 1958; the second of the pair is dropped). */
  normal(): number {
    return Math.sqrt(2 * this.exponential()) * Math.cos(TWO_PI * this.uniform());
  }

  /** Poisson by counting unit-rate arrivals: for means up to some tens. */
  poisson(mean: number): number {
    let count = 0;
    for (let sum = this.exponential(); sum < mean; sum += this.exponential()) count++;
    return count;
  }
}
