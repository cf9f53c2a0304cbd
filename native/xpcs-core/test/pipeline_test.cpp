// The way from stored frames to the correlator: several threads, several pieces.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "formats/nonzero.hpp"
#include "frame_pipeline.hpp"
#include "sample_files.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/error.hpp"

using namespace xpcs;
using namespace xpcs::samples;

namespace {

struct DecodedPiece : FetchedPiece {
  FrameBatch batch;
};

/// All events, and the number of pieces that they came in.
std::size_t read_with(FrameReader& reader, unsigned threads, FrameBatch& all) {
  std::size_t pieces = 0;
  run_pipeline<DecodedPiece>(
      reader, threads,
      [](DecodedPiece& piece) {
            piece.stored->decode(piece.batch);
      },
      [&](DecodedPiece& piece) {
        ++pieces;
        all.frame.insert(all.frame.end(), piece.batch.frame.begin(), piece.batch.frame.end());
        all.pixel.insert(all.pixel.end(), piece.batch.pixel.begin(), piece.batch.pixel.end());
        all.count.insert(all.count.end(), piece.batch.count.begin(), piece.batch.count.end());
        all.clockS.insert(all.clockS.end(), piece.batch.clockS.begin(), piece.batch.clockS.end());
      });
  return pieces;
}

std::unique_ptr<FrameReader> open_sparse(const Bytes& bytes) {
  return open_imm(std::make_unique<MemorySource>(bytes), small_detector());
}

/// Sparse frames of very different sizes, one of them larger than what is fetched at once.
Bytes uneven_imm(FrameBatch& expected) {
  std::mt19937 random(3);
  Bytes bytes;
  for (std::uint32_t frame = 0; frame < 300; ++frame) {
    const std::size_t n = frame == 150 ? 400000 : frame % 7 == 0 ? 0 : random() % 8000;
    std::vector<std::uint32_t> pixels(n);
    std::vector<std::int16_t> counts(n);
    for (std::size_t i = 0; i < n; ++i) {
      pixels[i] = static_cast<std::uint32_t>(random() % 20);
      counts[i] = static_cast<std::int16_t>(random() % 2000);
      expected.frame.push_back(frame);
      expected.count.push_back(counts[i]);
    }
    expected.pixel.insert(expected.pixel.end(), pixels.begin(), pixels.end());
    expected.clockS.push_back(frame * 0.25);
    append_imm(bytes, true, pixels, counts, frame * 0.25);
  }
  return bytes;
}

}  // namespace

TEST_CASE("the largest value of a type marks a pixel without a reading, in the middle of others") {
  std::vector<std::uint16_t> words(9000, 0);
  words[3] = 65535;
  words[5] = 65534;
  words[4500] = 1;
  words[8999] = 65535;
  FrameBatch batch;
  append_nonzero(words.data(), 9000, 7, batch);
  append_nonzero(words.data(), 9000, 8, batch);
  CHECK(batch.frame == std::vector<std::uint32_t>{7, 7, 8, 8});
  CHECK(batch.pixel == std::vector<std::uint32_t>{5, 4500, 5, 4500});
  CHECK(batch.count == std::vector<std::int64_t>{65534, 1, 65534, 1});
  CHECK(batch.markedFrame == std::vector<std::uint32_t>{7, 7, 8, 8});
  CHECK(batch.markedPixel == std::vector<std::uint32_t>{3, 8999, 3, 8999});
}

TEST_CASE("sparse IMM in many pieces: the same frames for any number of threads, and from the middle on") {
  FrameBatch expected;
  const Bytes bytes = uneven_imm(expected);
  for (const unsigned threads : {1U, 2U, 5U}) {
    FrameBatch all;
    const auto reader = open_sparse(bytes);
    CHECK(read_with(*reader, threads, all) > 3);
    CHECK(all.frame == expected.frame);
    CHECK(all.pixel == expected.pixel);
    CHECK(all.count == expected.count);
    CHECK(all.clockS == expected.clockS);
    CHECK(reader->frames() == 300);
  }
  FrameBatch some;
  const auto reader = open_sparse(bytes);
  reader->want(149, 151);
  read_with(*reader, 2, some);
  CHECK(some.clockS == std::vector<double>{149 * 0.25, 150 * 0.25, 151 * 0.25});
  CHECK(std::count(some.frame.begin(), some.frame.end(), 150) == 400000);
}

TEST_CASE("sparse IMM decoded whole, and in parts as columns: the same frames") {
  FrameBatch expected;
  const Bytes bytes = uneven_imm(expected);
  const auto reader = open_sparse(bytes);
  std::unique_ptr<StoredFrames> stored;
  std::size_t most = 0;
  FrameBatch part, whole, wholes;
  EventColumns columns;
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;
  std::vector<double> clockS;
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  while (reader->fetch(stored)) {
    most = std::max(most, stored->parts());
    stored->decode(whole);
    append(wholes.frame, whole.frame);
    append(wholes.count, whole.count);
    CHECK(stored->column_events() == whole.frame.size());
    for (std::size_t i = 0; i < stored->parts(); ++i) {
      stored->decode_columns(i, part, columns);
      CHECK(part.frame.empty());
      CHECK(part.headerStart == clockS.size());
      append(clockS, part.clockS);
      append(pixel, columns.pixel);
      for (const EventColumns::Run& run : columns.runs) {
        for (std::uint32_t k = run.first; k < run.first + run.events; ++k) {
          frame.push_back(run.frame);
          count.push_back(static_cast<std::int16_t>(columns.count[k]));
        }
      }
    }
  }
  CHECK(most > 1);
  CHECK(wholes.frame == expected.frame);
  CHECK(wholes.count == expected.count);
  CHECK(frame == expected.frame);
  CHECK(pixel == expected.pixel);
  CHECK(count == expected.count);
  CHECK(clockS == expected.clockS);
}

TEST_CASE("of several failures the one that lies first in the file is told, for any number of threads") {
  FrameBatch expected;
  Bytes bytes = uneven_imm(expected);
  bytes.resize(bytes.size() - 1);  // the end is missing
  const std::size_t payload = 1024 + 1024;  // frame 1's first pixel: frame 0 is empty
  put(bytes, payload, std::uint32_t{20});
  for (const unsigned threads : {1U, 2U, 5U}) {
    FrameBatch all;
    std::string message;
    try {
      read_with(*open_sparse(bytes), threads, all);
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(message.find("IMM frame 2 at byte 2048: pixel index 20 is outside the detector of 20 pixels") != std::string::npos);
    CHECK(all.frame.empty());
  }
}

TEST_CASE("prepared events mix with pushed ones, in their order") {
  std::mt19937 random(5);
  const std::vector<std::int32_t> map(20, 1);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::uint32_t> frame, pixel;
    std::vector<std::int64_t> count;
    for (int i = 0; i < 600; ++i) {
      frame.push_back(static_cast<std::uint32_t>(random() % (round % 2 == 0 ? 300 : 200000)));  // one batch, or several
      pixel.push_back(static_cast<std::uint32_t>(random() % 20));
      count.push_back(static_cast<std::int64_t>(random() % 300));
    }
    CorrelatorOptions options;
    if (round % 3 == 0) options.pixelFactor.assign(20, 0.3);
    Correlator pushed(make_partition(4, 5, map, map, SplitBins::error), options);
    Correlator mixed(make_partition(4, 5, map, map, SplitBins::error), options);
    pushed.push(frame, pixel, count);
    std::shared_ptr<PreparedEvents> prepared;
    const std::span<const std::uint32_t> none;
    for (std::size_t at = 0; at < frame.size(); at += 150) {
      const auto part = [&](const auto& all) { return std::span(all).subspan(at, 150); };
      if (at % 300 == 0) mixed.push(part(frame), part(pixel), part(count));
      else {
        mixed.prepare(prepared, part(frame), part(pixel), part(count));
        if (at % 4 == 0) mixed.close(*prepared);
        mixed.prepare(prepared, none, none, {});
        mixed.take(*prepared);
      }
    }
    const auto a = pushed.result({});
    const auto b = mixed.result({});
    CHECK(a.frames == b.frames);
    CHECK(a.events == b.events);
    CHECK(a.frameMean == b.frameMean);
    CHECK(std::equal(a.g2.begin(), a.g2.end(), b.g2.begin(), [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); }));
  }
  const Correlator correlator(make_partition(4, 5, map, map, SplitBins::error), {});
  const std::vector<std::uint32_t> outside{20};
  const std::vector<std::int64_t> one{1};
  std::shared_ptr<PreparedEvents> events;
  CHECK_THROWS_AS(correlator.prepare(events, outside, outside, one), Error);
}
