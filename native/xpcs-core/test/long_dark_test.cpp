// Series that stay dark for very long: passing over empty blocks gives what correlating each of them gives.
#include "lane_levels.hpp"
#include "stream_samples.hpp"

using namespace xpcs;

namespace {

/// The chunks of the base level in turn: photons where there are some, and between them so many dark chunks.
struct Chunks {
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> lit;  ///< block, pixel
  std::vector<std::uint64_t> dark;                                       ///< behind each
};

std::vector<std::int64_t> products(const Scheme& scheme, std::uint32_t base, std::uint32_t count, const Chunks& chunks, std::uint32_t last, bool atOnce) {
  std::vector<std::int64_t> out(scheme.delays.size() * kLanes, 0);
  LaneLevels levels;
  levels.begin(scheme, base, 1, out.data(), kLanes);
  for (std::size_t i = 0; i < chunks.lit.size(); ++i) {
    for (const auto& [block, pixel] : chunks.lit[i]) levels.chunk()[LaneLevels::offset_of_block(block) + levels.offset_of_pixel(pixel)] = static_cast<std::uint8_t>(count);
    levels.flush();
    if (atOnce) levels.flush_empty(chunks.dark[i]);
    else for (std::uint64_t n = 0; n < chunks.dark[i]; ++n) levels.flush();
  }
  levels.finish(last);
  return out;
}

}  // namespace

TEST_CASE("empty chunks passed over at once give the products of empty chunks one by one") {
  std::mt19937 random(31);
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    const std::uint32_t dpl = 1 + below(random, round % 6 == 0 ? 200 : 9);
    const std::uint32_t base = below(random, 3);
    const std::uint32_t count = std::array{1U, 5U, 127U}[below(random, 3)];  // levels of bytes, of words, and wide ones
    Chunks chunks;
    std::uint64_t blocks = 0;
    for (std::uint32_t i = 0; i < 2 + below(random, 5); ++i) {
      auto& lit = chunks.lit.emplace_back();
      for (std::uint32_t n = below(random, 300); n > 0; --n) lit.emplace_back(below(random, LaneLevels::kChunk), below(random, kLanes));
      chunks.dark.push_back(below(random, 3) == 0 ? below(random, 4) : below(random, 3000));
      blocks += (1 + chunks.dark.back()) * LaneLevels::kChunk;
    }
    const std::uint32_t last = below(random, LaneLevels::kChunk);
    const Scheme scheme((blocks + last) << base, dpl);
    CHECK(products(scheme, base, count, chunks, last, true) == products(scheme, base, count, chunks, last, false));
  }
}

TEST_CASE("a stream that stays dark for long gives the bits of the whole series") {
  std::mt19937 random(32);
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    const Partition part = random_partition(random, 4, 5);
    StreamOptions options = random_options(random, 0xFFFFFFFF, 20);
    options.staticWindow = 0;
    options.framesMax = 0xFFFFFFFF;
    options.intensityRows = std::uint64_t{1} << 24;
    options.photonBytes = 1 + below(random, 3000);  // many parts
    StreamCorrelator stream(part, options);
    Events events;
    std::uint32_t f = 0;
    for (int phase = 0; phase < 4; ++phase) {
      f += below(random, 1 + below(random, 300000));
      const std::size_t at = events.size();
      for (std::uint32_t n = below(random, 4000); n > 0; --n, ++f) {
        for (std::uint32_t p = 0; p < 20; ++p) if (below(random, 3) == 0) events.add(f, p, 1 + below(random, round % 3 == 0 ? 300 : 3));
      }
      push_some(stream, options, events, at, events.size() - at);
      if (events.size() == 0) continue;
      f = events.frame.back() + 1;
      check_same(stream.result({1, false}), batch_result(part, options, events, events.size(), f, false));
    }
    f += below(random, 300000);
    stream.set_frames(f);
    check_same(stream.result({1, true}), batch_result(part, options, events, events.size(), f, true));
  }
}

TEST_CASE("a stream may be dark up to its last frame") {
  std::mt19937 random(33);
  const Partition part = random_partition(random, 4, 5);
  Events events;
  for (std::uint32_t f = 0; f < 3000; ++f) {
    for (std::uint32_t p = 0; p < 20; ++p) if (below(random, 3) == 0) events.add(f, p, 1 + below(random, 3));
  }
  // The same photons with one of a negative count at first, which has its tile correlated pixel by pixel.
  std::vector<CorrelationResult> results;
  for (const bool wide : {false, true}) {
    StreamOptions options;
    options.photonBytes = 2000;
    StreamCorrelator stream(part, options);
    if (wide) stream.push(std::vector{0U, 0U}, std::vector{3U, 3U}, std::vector<std::int64_t>{-1, 1});
    push_some(stream, options, events, 0, events.size());
    for (const std::uint32_t frames : {0x80000001U, 0xFFFFFFFEU}) {
      stream.push(std::vector{frames - 1}, std::vector{7U}, std::vector<std::int64_t>{2});
      results.push_back(stream.result({1, true}));
      CHECK(results.back().frames == frames);
    }
  }
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(results[i].perPixelG2 == results[i + 2].perPixelG2);
    CHECK(results[i].perPixelIP == results[i + 2].perPixelIP);
    CHECK(results[i].perPixelIF == results[i + 2].perPixelIF);
  }
}

TEST_CASE("photons that wait for others make way for those of a much later frame") {
  std::mt19937 random(34);
  const Partition part = random_partition(random, 4, 5);
  StreamCorrelator stream(part, {});
  stream.push(std::vector{5U}, std::vector{7U}, std::vector<std::int64_t>{2});
  const std::vector<std::uint32_t> frames{77, 4'000'000, 4'000'001};  // the first is none of the chunk
  stream.push(std::span(frames).subspan(1), std::vector{7U, 7U}, std::vector<std::int64_t>{2, 3});
  // The newest frame is that of the last photon: an earlier one is refused, and the series ends there.
  CHECK_THROWS_AS(stream.push(std::vector{4'000'000U}, std::vector{7U}, std::vector<std::int64_t>{1}), Error);
  CHECK(stream.result({1, false}).frames == 4'000'002);
}
