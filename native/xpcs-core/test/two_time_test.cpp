// The two-time correlation in memory: both kernels against plain sums, counts of any size, any order of photons, any number of
// threads, and what the unsmoothed convention gives at few photons.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "two_time_dense.hpp"
#include "xpcs/error.hpp"
#include "xpcs/two_time.hpp"

using namespace xpcs;

namespace {

struct Photons {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;

  void add(std::uint32_t t, std::uint32_t p, std::int64_t n) {
    frame.push_back(t);
    pixel.push_back(p);
    count.push_back(n);
  }
};

struct Matrices {
  TwoTimeResult curves;
  std::vector<std::vector<float>> c2;  // per bin [F, F]
};

/// Adds the band's rows to the whole matrix. What is in the chunks but not in the matrix must be 0.
void keep(Matrices& out, const C2Band& band) {
  out.c2.resize(std::max(out.c2.size(), band.bin + 1));
  std::vector<float>& matrix = out.c2[band.bin];
  for (std::uint64_t r = 0; r < band.rows; ++r) {
    matrix.insert(matrix.end(), band.firstRow, 0.0F);
    for (std::uint64_t c = band.firstRow; c < band.frames; ++c) matrix.push_back(*band.at(r, c));
  }
  for (std::uint64_t r = 0; r < band.chunk; ++r) {
    for (std::uint64_t c = band.firstRow; c < band.firstRow + band.chunks() * band.chunk; ++c) {
      if (r >= band.rows || c >= band.frames) REQUIRE(*band.at(r, c) == 0.0F);
    }
  }
}

Matrices correlate(const Partition& part, const TwoTimeOptions& options, const Photons& photons, std::uint64_t frames, unsigned threads = 1,
                   std::uint64_t square = 512, std::size_t chunk = SIZE_MAX) {
  TwoTime twoTime(part, options);
  for (std::size_t from = 0; from < photons.frame.size(); from += std::min(chunk, photons.frame.size() - from)) {
    const std::size_t n = std::min(chunk, photons.frame.size() - from);
    twoTime.push(std::span(photons.frame).subspan(from, n), std::span(photons.pixel).subspan(from, n), std::span(photons.count).subspan(from, n));
  }
  twoTime.set_frames(frames);
  Matrices out;
  TwoTimeRun how;
  how.threads = threads;
  how.chunk = square;
  how.take = [&](const C2Band& band, std::size_t) { keep(out, band); };
  out.curves = twoTime.run(how);
  return out;
}

/// One dynamic bin over all pixels, with static bins of equal size.
Partition rings(std::uint32_t h, std::uint32_t w, int dynamicBins, int perBin) {
  std::vector<std::int32_t> dq(h * w), sq(h * w);
  for (std::uint32_t p = 0; p < h * w; ++p) {
    sq[p] = static_cast<std::int32_t>(p) % (dynamicBins * perBin) + 1;
    dq[p] = (sq[p] - 1) / perBin + 1;
  }
  return make_partition(h, w, dq, sq, SplitBins::error);
}

/// sum_p x x' of one dynamic bin, in long double.
std::vector<long double> plain_sums(const Partition& part, const Photons& photons, std::uint32_t label, std::uint64_t frames) {
  std::vector<long double> x(frames * part.pixels(), 0.0L);
  for (std::size_t i = 0; i < photons.frame.size(); ++i) x[photons.frame[i] * part.pixels() + photons.pixel[i]] += static_cast<long double>(photons.count[i]);
  std::vector<long double> sums(frames * frames, 0.0L);
  for (std::size_t rank = 0; rank < part.pixelOfRank.size(); ++rank) {
    if (part.dynamicOfRank[rank] + 1 != label) continue;
    const std::size_t p = part.pixelOfRank[rank];
    for (std::uint64_t a = 0; a < frames; ++a) {
      for (std::uint64_t b = a; b < frames; ++b) sums[a * frames + b] += x[a * part.pixels() + p] * x[b * part.pixels() + p];
    }
  }
  return sums;
}

bool same_bits(const Matrices& a, const Matrices& b) {
  if (a.c2.size() != b.c2.size() || a.curves.g2full.size() != b.curves.g2full.size()) return false;
  for (std::size_t i = 0; i < a.c2.size(); ++i) {
    if (a.c2[i].size() != b.c2[i].size() || std::memcmp(a.c2[i].data(), b.c2[i].data(), a.c2[i].size() * sizeof(float)) != 0) return false;
  }
  return std::memcmp(a.curves.g2full.data(), b.curves.g2full.data(), a.curves.g2full.size() * sizeof(double)) == 0;
}

Photons random_photons(std::mt19937& random, std::uint32_t frames, std::uint32_t pixels, std::size_t n, std::int64_t largest) {
  Photons photons;
  for (std::size_t i = 0; i < n; ++i) {
    photons.add(static_cast<std::uint32_t>(random() % frames), static_cast<std::uint32_t>(random() % pixels),
                1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(largest)));
  }
  return photons;
}

}  // namespace

TEST_CASE("the byte kernel of this CPU equals the plain one") {
  std::mt19937 random(3);
  for (int round = 0; round < 30; ++round) {
    const std::size_t pixels = 1 + random() % 7000;
    const twotime::TileTask task{1 + random() % twotime::kTile, 1 + random() % twotime::kTile, random() % pixels, pixels, false};
    std::vector<std::vector<std::uint8_t>> a(task.na), b(task.nb);
    std::vector<const std::uint8_t*> rowsA, rowsB;
    for (auto* rows : {&a, &b}) {
      for (auto& row : *rows) {
        for (std::size_t k = 0; k < pixels; ++k) row.push_back(static_cast<std::uint8_t>(round == 0 ? 127 : random() % 128));
        (rows == &a ? rowsA : rowsB).push_back(row.data());
      }
    }
    std::vector<double> fast(twotime::kTile * twotime::kTile, 0.0), plain(fast);
    twotime::add_products(rowsA.data(), rowsB.data(), task, fast.data());
    twotime::add_products_plain(rowsA.data(), rowsB.data(), task, plain.data());
    for (std::size_t i = 0; i < task.na; ++i) {
      for (std::size_t j = 0; j < task.nb; ++j) REQUIRE(fast[i * twotime::kTile + j] == plain[i * twotime::kTile + j]);
    }
    std::int64_t first = 0;
    for (std::size_t k = task.from; k < task.to; ++k) first += a[0][k] * b[0][k];
    REQUIRE(plain[0] == static_cast<double>(first));
  }
}

TEST_CASE("C2 of counts of every size agrees with plain sums, in any order and chunks of photons and for any threads") {
  std::mt19937 random(17);
  const std::int64_t sizes[] = {1, 4, 100, 30000, 1LL << 31, (1LL << 32) - 1};
  for (int round = 0; round < 60; ++round) {
    const std::uint32_t frames = 2 + random() % 200;
    const Partition part = rings(4 + random() % 8, 6 + random() % 8, 2, 3);
    // From a few photons to several in every pixel: lists, rows, and both within one series.
    const std::size_t n = std::max<std::size_t>(1, part.pixels() * frames * (random() % 5) / (1 + random() % 40));
    Photons photons = random_photons(random, frames, part.pixels(), n, sizes[round % 6]);
    if (round % 3 == 0) {
      for (std::uint32_t t = 0; t < frames / 2; ++t) {
        for (std::uint32_t p = 0; p < part.pixels(); ++p) photons.add(t, p, 1 + static_cast<std::int64_t>(random() % 5));
      }
    }
    TwoTimeOptions options;
    options.bins = {1, 2};
    options.smoothing = Smoothing::symmetric;
    options.filter = SmoothingFilter::average;
    const Matrices got = correlate(part, options, photons, frames);
    for (std::uint32_t label = 1; label <= 2; ++label) {
      const auto sums = plain_sums(part, photons, label, frames);
      const double sg = got.curves.sg[label - 1];
      for (std::uint64_t a = 0; a < frames; ++a) {
        for (std::uint64_t b = 0; b < frames; ++b) {
          const double expected = b < a || sg == 0 ? 0.0 : static_cast<double>(sums[a * frames + b]) / part.pixelsOfDynamic[label - 1] / (sg * sg);
          REQUIRE(got.c2[label - 1][a * frames + b] == doctest::Approx(expected).epsilon(2e-7));
        }
      }
    }
    Photons shuffled = photons;
    for (std::size_t i = photons.frame.size(); i > 1; --i) {
      const std::size_t j = random() % i;
      std::swap(shuffled.frame[i - 1], shuffled.frame[j]);
      std::swap(shuffled.pixel[i - 1], shuffled.pixel[j]);
      std::swap(shuffled.count[i - 1], shuffled.count[j]);
    }
    REQUIRE(same_bits(got, correlate(part, options, photons, frames, 2)));
    REQUIRE(same_bits(got, correlate(part, options, photons, frames, 5, 16 * (1 + random() % 9))));
    REQUIRE(same_bits(got, correlate(part, options, shuffled, frames, 2, 512, 1 + random() % 100)));
  }
}

TEST_CASE("whole frames give what their photons give, to the bit") {
  std::mt19937 random(23);
  for (int round = 0; round < 20; ++round) {
    const Partition part = rings(8, 9, 2, 2);
    const std::uint32_t frames = 3 + random() % 150;
    const std::uint32_t empty = 1 + random() % 12;
    const std::uint32_t largest = round % 2 == 0 ? 6 : 40000;
    std::vector<std::uint16_t> rows(std::size_t{frames} * part.pixels());
    Photons photons;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (random() % empty != 0) continue;
      rows[i] = static_cast<std::uint16_t>(random() % largest);
      if (rows[i] < 0x8000) photons.add(static_cast<std::uint32_t>(i / part.pixels()), static_cast<std::uint32_t>(i % part.pixels()), rows[i]);
    }
    TwoTimeOptions options;
    options.bins = {1, 2};
    TwoTime twoTime(part, options);
    const std::size_t half = frames / 2 * part.pixels();
    twoTime.push_dense(0, std::span(rows).first(half), part.pixels(), true);
    twoTime.push_dense(frames / 2, std::span(rows).subspan(half), part.pixels(), true);
    twoTime.set_frames(frames);
    Matrices dense;
    TwoTimeRun how;
    how.take = [&](const C2Band& band, std::size_t) { keep(dense, band); };
    dense.curves = twoTime.run(how);
    REQUIRE(same_bits(dense, correlate(part, options, photons, frames)));
  }
}

TEST_CASE("a negative count and a count after the end of the series") {
  const Partition part = rings(2, 2, 1, 1);
  TwoTimeOptions options;
  options.bins = {1};
  options.smoothing = Smoothing::symmetric;
  Photons photons;
  photons.add(0, 0, 5);
  photons.add(0, 1, -1);
  photons.add(1, 0, 2);
  photons.add(2, 3, 7);
  const Matrices got = correlate(part, options, photons, 2);
  REQUIRE(got.c2[0].size() == 4);
  CHECK(got.c2[0][1] == doctest::Approx(10.0 / 4 / (1.0 * 0.5)));
  CHECK(got.c2[0][2] == 0.0F);
}

TEST_CASE("wrong selections are refused, and too many photons for the limit") {
  const Partition part = rings(4, 4, 2, 1);
  TwoTimeOptions options;
  CHECK_THROWS_AS(TwoTime(part, options), Error);
  options.bins = {3};
  CHECK_THROWS_AS(TwoTime(part, options), Error);
  options.bins = {1, 1};
  CHECK_THROWS_AS(TwoTime(part, options), Error);
  options.bins = {1};
  options.smoothing = Smoothing::sqmap;
  options.filter = SmoothingFilter::average;
  CHECK_THROWS_AS(TwoTime(part, options), Error);
  options.filter = SmoothingFilter::none;
  options.bytesMax = 1000;
  std::mt19937 random(1);
  const Photons photons = random_photons(random, 1000, 16, 5000, 3);
  CHECK_THROWS_WITH_AS(correlate(part, options, photons, 1000), doctest::Contains("--memory-gb"), Error);
}

TEST_CASE("uncorrelated Poisson frames: the unsmoothed convention is 1 off the diagonal at few photons, the others are not") {
  struct Row {
    double photons;
    double symmetric;  // (1 - exp(-n))^2
  };
  for (const Row row : {Row{0.5, 0.1548}, Row{1.5, 0.6035}, Row{5, 0.987}, Row{25, 1.0}}) {
    std::mt19937_64 random(static_cast<unsigned>(row.photons * 10));
    const Partition part = rings(16, 16, 1, 4);
    const std::uint32_t frames = 5000;
    Photons photons;
    std::poisson_distribution<int> number(row.photons);
    for (std::uint32_t t = 0; t < frames; ++t) {
      for (int n = number(random); n > 0; --n) photons.add(t, static_cast<std::uint32_t>(random() % part.pixels()), 1);
    }
    const auto off_diagonal = [&](Smoothing smoothing, std::size_t& warnings) {
      TwoTimeOptions options;
      options.bins = {1};
      options.smoothing = smoothing;
      const Matrices got = correlate(part, options, photons, frames, 2);
      warnings = got.curves.warnings.size();
      double sum = 0;
      for (std::size_t a = 0; a < frames; ++a) {
        for (std::size_t b = a + 1; b < frames; ++b) sum += got.c2[0][a * frames + b];
      }
      return 2 * sum / (static_cast<double>(frames) * (frames - 1));
    };
    std::size_t warnings = 0;
    const double none = off_diagonal(Smoothing::none, warnings);
    CHECK(warnings == (row.photons < 20 ? 1 : 0));
    const double symmetric = off_diagonal(Smoothing::symmetric, warnings);
    MESSAGE(row.photons << " photons per bin and frame: none " << none << ", symmetric " << symmetric);
    // Scatter of the mean over all pairs of frames: about sqrt(2 pixels) / (photons frames), 0.003 at 1.5 photons.
    const double scatter = std::sqrt(2.0 * part.pixels()) / (row.photons * frames);
    CHECK(std::abs(none - 1) < std::max(0.01, 3 * scatter));
    // The share of frames without photons scatters too.
    CHECK(std::abs(symmetric - row.symmetric) < 0.03);
  }
}

TEST_CASE("progress goes from 0 to 1 once, with the matrix, its blocks, or both") {
  std::mt19937 random(31);
  const Partition part = rings(6, 5, 3, 1);
  const Photons photons = random_photons(random, 90, 30, 400, 2);
  for (const auto& [matrix, dpl] : {std::pair{true, 0U}, std::pair{false, 2U}, std::pair{true, 2U}}) {
    TwoTimeOptions options;
    options.bins = {1, 2, 3};
    options.matrix = matrix;
    options.multitauDpl = dpl;
    TwoTime twoTime(part, options);
    twoTime.push(photons.frame, photons.pixel, photons.count);
    twoTime.set_frames(90);
    std::vector<double> fractions;
    TwoTimeRun how;
    how.chunk = 16;
    how.control.progress = [&](Stage stage, double fraction) {
      CHECK(stage == Stage::correlating);
      fractions.push_back(fraction);
    };
    (void)twoTime.run(how);
    CHECK(fractions.size() >= 3);
    CHECK(std::is_sorted(fractions.begin(), fractions.end()));
    CHECK(fractions.front() > 0);
    CHECK(fractions.back() == doctest::Approx(1).epsilon(1e-12));
    CHECK(std::count_if(fractions.begin(), fractions.end(), [](double fraction) { return fraction > 0.999; }) == 1);
  }
}
