// Kernels that no other test asks for by instruction set: each set against plain loops, and the choice between them.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "event_packing.hpp"
#include "event_store.hpp"
#include "formats/nonzero.hpp"
#include "instruction_sets.hpp"
#include "lag_sums.hpp"
#include "lane_sums.hpp"
#include "tile_sums.hpp"

using namespace xpcs;

namespace {

template <class Word>
void check_lists(std::mt19937& random) {
  for (const unsigned oneIn : {1U, 2U, 30U, 400U}) {
    for (int round = 0; round < 30; ++round) {
      std::vector<Word> words(random() % 400);
      for (Word& word : words) word = random() % oneIn == 0 ? static_cast<Word>(1U << random() % (8 * sizeof(Word))) : Word{0};
      std::vector<std::uint32_t> expected;
      for (std::uint32_t i = 0; i < words.size(); ++i) {
        if (words[i] != 0) expected.push_back(1000 + i);
      }
      for (const char* name : kInstructionSets) {
        const NonzeroLists* lists = nonzero_lists_named(name);
        if (lists == nullptr) continue;
        std::vector<std::uint32_t> got(words.size() + kNonzeroSlack);
        got.resize(lists->list(words.data(), static_cast<std::uint32_t>(words.size()), 1000, got.data()));
        REQUIRE(got == expected);
      }
    }
  }
}

double in_eights(const std::vector<double>& values) {
  double v[8] = {};
  for (std::size_t i = 0; i < values.size(); ++i) v[i % 8] += values[i];
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

struct Row {
  std::vector<std::int64_t> products;
  std::vector<std::uint32_t> past, from, end;
  std::vector<double> factor, alive;
};

/// @param small counts of a tile of few photons
Row random_row(std::mt19937& random, std::size_t n, bool small) {
  Row row;
  for (std::size_t i = 0; i < n; ++i) {
    if (small) {  // many at the limit
      const auto photons = [&] { return random() % 2 == 0 ? kSmallTotal : static_cast<std::uint32_t>(1 + random() % kSmallTotal); };
      row.past.push_back(random() % 8 == 0 ? 0 : photons());
      row.end.push_back(photons());
      row.from.push_back(random() % 2 == 0 ? 0 : static_cast<std::uint32_t>(random() % row.end.back()));
      const std::uint32_t most = kSmallTotal * kSmallTotal / 4;
      row.products.push_back(row.past.back() == 0 || random() % 3 == 0 ? 0 : random() % 2 == 0 ? most : static_cast<std::int64_t>(random() % most));
      row.factor.push_back(1.0);
      row.alive.push_back(1.0);
      continue;
    }
    const bool none = random() % 8 == 0;
    row.products.push_back(none ? 0 : static_cast<std::int64_t>((std::uint64_t{random()} << 32 | random()) >> (1 + random() % 60)));
    row.past.push_back(none ? 0 : 1 + static_cast<std::uint32_t>(random() % 100000));
    row.from.push_back(static_cast<std::uint32_t>(random() % 1000));
    row.end.push_back(row.from.back() + 1 + static_cast<std::uint32_t>(random() % 100000));
    row.factor.push_back(random() % 9 == 0 ? 0.0 : 0.5 + static_cast<double>(random() % 1000) / 1000);
    row.alive.push_back(row.factor.back() == 0 ? 0.0 : 1.0);
  }
  return row;
}

/// Sum over the pixels of f(i), lane by lane.
template <class Of>
double sum_of(std::size_t n, Of f) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = f(i);
  return in_eights(values);
}

}  // namespace

TEST_CASE("words that are not zero are listed alike by every instruction set") {
  std::mt19937 random(8);
  check_lists<std::uint8_t>(random);
  check_lists<std::uint16_t>(random);
  check_lists<std::uint32_t>(random);
}

TEST_CASE("lowest, highest and leading run of numbers are found alike by every instruction set") {
  std::mt19937 random(4);
  for (int round = 0; round < 400; ++round) {
    std::vector<std::uint32_t> values(1 + random() % 70);
    const std::uint32_t spread = round % 3 == 0 ? 2 : 0xFFFFFFFF;
    for (std::uint32_t& value : values) value = spread == 2 ? 7 + random() % 2 : static_cast<std::uint32_t>(random());
    if (round % 5 == 0) std::fill_n(values.begin(), 1 + random() % values.size(), 0x80000001U);
    std::size_t run = 0;
    while (run < values.size() && values[run] == values[0]) ++run;
    for (const char* name : kInstructionSets) {
      const EventPacking* packing = event_packing_named(name);
      if (packing == nullptr) continue;
      const auto [low, high] = packing->range(values.data(), values.size());
      REQUIRE(low == *std::min_element(values.begin(), values.end()));
      REQUIRE(high == *std::max_element(values.begin(), values.end()));
      REQUIRE(packing->run(values.data(), values.size()) == run);
    }
  }
}

TEST_CASE("events are packed alike by every instruction set") {
  std::mt19937 random(9);
  std::vector<std::uint32_t> rank(5000);
  for (std::size_t i = 0; i < rank.size(); ++i) rank[i] = i % 11 == 0 ? kNoRank : static_cast<std::uint32_t>(i);
  const std::uint32_t none = (5000 + kTilePixels - 1) / kTilePixels;
  for (int round = 0; round < 200; ++round) {
    const std::size_t n = random() % 300;
    const std::size_t ahead = n / 7 * (random() % 4);
    std::vector<std::uint32_t> pixel(n), word(n), tile(n);
    std::vector<std::int64_t> count(n);
    Packed sums;
    for (std::size_t i = 0; i < n; ++i) {
      pixel[i] = random() % 5000;
      const std::int64_t kinds[] = {1, 126, 127, 128, 255, 1LL << 32, (1LL << 32) + 5, -1, INT64_MIN, INT64_MAX};
      count[i] = random() % 4 == 0 ? kinds[random() % std::size(kinds)] : static_cast<std::int64_t>(random() % 127);
      const bool large = count[i] < 0 || count[i] > 126;
      const bool valid = pixel[i] % 11 != 0;
      const std::uint32_t held = large ? 127 : static_cast<std::uint32_t>(count[i]);
      if (i >= n - ahead) continue;
      word[i] = 0xABCD0000U | (rank[pixel[i]] % kTilePixels) << 7 | held;
      tile[i] = valid ? pixel[i] / kTilePixels : none;
      sums.gained += valid ? held : 0;
      sums.valid += valid ? 1 : 0;
      sums.escapes += large ? 1 : 0;
    }
    const auto check = [&]<class Word>(const std::vector<Word>& words, const std::vector<Word>& tiles, std::uint32_t high, auto pack) {
      std::vector<Word> gotWords(n), gotTiles(n);
      std::vector<std::uint32_t> even(none + 1, 0), odd(none + 1, 0), expected(none + 1, 0);
      const Packed got = pack(PackTask<Word>{pixel.data(), n - ahead, ahead, rank.data(), high, none, gotWords.data(), gotTiles.data(), even.data(), odd.data()});
      for (std::size_t i = 0; i < n - ahead; ++i) ++expected[tiles[i]];
      for (std::size_t i = 0; i <= none; ++i) even[i] += odd[i];
      REQUIRE(gotWords == words);
      REQUIRE(gotTiles == tiles);
      REQUIRE(even == expected);
      REQUIRE(got.gained == sums.gained);
      REQUIRE(got.valid == sums.valid);
      REQUIRE(got.escapes == sums.escapes);
    };
    std::vector<std::uint16_t> shortCount(n), crowdedWord(n), crowdedTile(n);
    for (std::size_t i = 0; i < n; ++i) {
      const bool large = count[i] < 0 || count[i] > 126;
      shortCount[i] = static_cast<std::uint16_t>(large ? std::array{127, 128, 300, 0x8000, 0xFFFF}[i % 5] : count[i]);
      if (i >= n - ahead) continue;
      crowdedWord[i] = static_cast<std::uint16_t>(word[i]);
      crowdedTile[i] = static_cast<std::uint16_t>(count[i] == 0 ? none : tile[i]);
    }
    for (const char* name : kInstructionSets) {
      const EventPacking* packing = event_packing_named(name);
      if (packing == nullptr) continue;
      check(word, tile, 0xABCD0000U, [&](const auto& task) { return packing->pack(task, count.data()); });
      check(word, tile, 0xABCD0000U, [&](const auto& task) { return packing->pack_short(task, shortCount.data()); });
      check(crowdedWord, crowdedTile, 0, [&](const auto& task) { return packing->pack_crowded(task, shortCount.data()); });
    }
  }
}

TEST_CASE("rows of a tile add up to the same bits on every instruction set") {
  std::mt19937 random(21);
  for (int round = 0; round < 200; ++round) {
    const bool small = round % 4 == 1;
    const std::size_t n = random() % (small ? 513 : 70);
    const Row row = random_row(random, n, small);
    const CurveRow curve{row.products.data(), row.past.data(), row.from.data(), row.end.data(), 1.0 + static_cast<double>(random() % 5000), small};
    const bool flat = round % 2 == 0;
    const auto factor = [&](std::size_t i) { return flat ? row.factor[i] : 1.0; };
    const auto g = [&](std::size_t i) { return static_cast<double>(row.products[i]) * (factor(i) * factor(i)); };
    const auto p = [&](std::size_t i) { return static_cast<double>(row.past[i]) * factor(i); };
    const auto f = [&](std::size_t i) { return static_cast<double>(row.end[i] - row.from[i]) * factor(i); };
    const auto x = [&](std::size_t i) {
      if (row.past[i] == 0) return 0.0;
      const double counts = static_cast<double>(row.past[i]) * static_cast<double>(row.end[i] - row.from[i]);
      return curve.terms * static_cast<double>(row.products[i]) / counts * (flat ? row.alive[i] : 1.0);
    };
    std::uint64_t products = 0;
    for (const std::int64_t value : row.products) products += static_cast<std::uint64_t>(value);
    for (const char* name : kInstructionSets) {
      const std::size_t slots = std::size_t{8} << round % 5;
      std::vector<std::int64_t> whole(3 * slots, 1);
      std::vector<double> real(3 * slots, 0.0);
      const auto got = sum_row_by(name, curve, n, flat ? row.factor.data() : nullptr, flat ? row.alive.data() : nullptr, {slots, whole.data(), real.data()});
      if (!got) continue;
      REQUIRE(static_cast<std::uint64_t>(got->products) == products);
      for (std::size_t slot = 0; slot < slots; ++slot) {
        std::uint64_t wholes[3] = {1, 1, 1};
        double reals[3] = {0, 0, 0};
        for (std::size_t i = slot; i < n; i += slots) {
          wholes[0] += static_cast<std::uint64_t>(row.products[i]);
          wholes[1] += row.past[i];
          wholes[2] += row.end[i] - row.from[i];
          reals[0] += g(i);
          reals[1] += p(i);
          reals[2] += f(i);
        }
        for (std::size_t k = 0; k < 3; ++k) {
          REQUIRE(static_cast<std::uint64_t>(whole[k * slots + slot]) == (flat ? 1 : wholes[k]));
          REQUIRE(same_bits(real[k * slots + slot], flat ? reals[k] : 0.0));
        }
      }
      REQUIRE(same_bits(got->gg, sum_of(n, [&](std::size_t i) { return g(i) * g(i); })));
      REQUIRE(same_bits(got->gp, sum_of(n, [&](std::size_t i) { return g(i) * p(i); })));
      REQUIRE(same_bits(got->gf, sum_of(n, [&](std::size_t i) { return g(i) * f(i); })));
      REQUIRE(same_bits(got->pp, sum_of(n, [&](std::size_t i) { return p(i) * p(i); })));
      REQUIRE(same_bits(got->pf, sum_of(n, [&](std::size_t i) { return p(i) * f(i); })));
      REQUIRE(same_bits(got->ff, sum_of(n, [&](std::size_t i) { return f(i) * f(i); })));
      REQUIRE(same_bits(got->ratio, sum_of(n, x)));
      REQUIRE(same_bits(got->ratio2, sum_of(n, [&](std::size_t i) { return x(i) * x(i); })));
      if (flat) REQUIRE(same_bits(got->realPast, sum_of(n, p)));
    }
  }
}

TEST_CASE("this CPU gets the fastest set that it has") {
  std::string best = "portable";
  for (const char* name : {"neon", "neon-dotprod", "avx2", "avx512"}) {
    if (lane_sums_named(name) != nullptr) best = name;
  }
  CHECK(lane_sums().name == best);
#if defined(__aarch64__)
  CHECK(lag_sums_named("neon") != nullptr);  // every 64-bit ARM CPU has NEON
  CHECK(best != "portable");
#endif
}
