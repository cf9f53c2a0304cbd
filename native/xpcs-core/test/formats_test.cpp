// Readers of event and frame files: content, truncation, absurd headers, flipped bits.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <random>

#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;

namespace {

using Bytes = std::vector<std::byte>;

template <class T>
void put(Bytes& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
void append(Bytes& bytes, T value) {
  bytes.resize(bytes.size() + sizeof value);
  put(bytes, bytes.size() - sizeof value, value);
}

/// An IMM frame of a 4 x 5 detector.
void append_imm(Bytes& bytes, bool sparse, const std::vector<std::uint32_t>& pixels, const std::vector<std::int16_t>& counts, double elapsedS) {
  Bytes header(1024);
  put<std::int32_t>(header, 0, sparse ? 6 : 2);
  put<std::int32_t>(header, 4, sparse ? 6 : 0);
  put<std::int32_t>(header, 108, 4);
  put<std::int32_t>(header, 112, 5);
  put<std::int32_t>(header, 116, 2);
  put<double>(header, 128, elapsedS);
  put<std::uint32_t>(header, 152, static_cast<std::uint32_t>(counts.size()));
  put<std::int32_t>(header, 616, 12);
  put<std::int32_t>(header, 620, 77);
  bytes.insert(bytes.end(), header.begin(), header.end());
  if (sparse) {
    for (const auto p : pixels) append(bytes, p);
  }
  for (const auto c : counts) append(bytes, c);
}

ReaderOptions small_detector() {
  ReaderOptions options;
  options.height = 4;
  options.width = 5;
  return options;
}

FrameBatch read_all(FrameReader& reader) {
  FrameBatch all;
  FrameBatch batch;
  while (reader.next(batch)) {
    all.frame.insert(all.frame.end(), batch.frame.begin(), batch.frame.end());
    all.pixel.insert(all.pixel.end(), batch.pixel.begin(), batch.pixel.end());
    all.count.insert(all.count.end(), batch.count.begin(), batch.count.end());
    all.clockS.insert(all.clockS.end(), batch.clockS.begin(), batch.clockS.end());
  }
  return all;
}

using Opener = std::function<std::unique_ptr<FrameReader>(Bytes)>;

/// Reads to the end; true when it ended with our error, false when it ended well. Anything else fails the test.
bool refuses(const Opener& open, Bytes bytes, std::string* message = nullptr) {
  try {
    auto reader = open(std::move(bytes));
    read_all(*reader);
    return false;
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return true;
  }
}

Opener imm(ReaderOptions options = small_detector()) {
  return [options](Bytes bytes) { return open_imm(std::make_unique<MemorySource>(std::move(bytes)), options); };
}
Opener rigaku(ReaderOptions options = small_detector()) {
  return [options](Bytes bytes) { return open_rigaku(std::make_unique<MemorySource>(std::move(bytes)), options); };
}
Opener ufxc(ReaderOptions options = small_detector()) {
  return [options](Bytes bytes) { return open_ufxc(std::make_unique<MemorySource>(std::move(bytes)), options); };
}

Bytes sparse_imm() {
  Bytes bytes;
  append_imm(bytes, true, {7, 3, 7}, {1, -2, 4}, 0.5);
  append_imm(bytes, true, {}, {}, 0.6);
  append_imm(bytes, true, {19}, {9}, 0.7);
  return bytes;
}

std::uint64_t rigaku_word(std::uint64_t frame, std::uint64_t pixel, std::uint64_t count) { return frame << 40 | pixel << 16 | count; }

}  // namespace

TEST_CASE("sparse IMM: events in file order, signed counts, empty frames, timestamps") {
  const auto reader = imm()(sparse_imm());
  const FrameBatch all = read_all(*reader);
  CHECK(all.frame == std::vector<std::uint32_t>{0, 0, 0, 2});
  CHECK(all.pixel == std::vector<std::uint32_t>{7, 3, 7, 19});
  CHECK(all.count == std::vector<std::int64_t>{1, -2, 4, 9});
  CHECK(all.clockS == std::vector<double>{0.5, 0.6, 0.7});
  CHECK(reader->frames() == 3);
  CHECK_FALSE(reader->dense());
}

TEST_CASE("the wanted frames of an IMM file come out although what follows is cut off") {
  Bytes bytes = sparse_imm();
  bytes.resize(bytes.size() - 3);
  const auto reader = imm()(bytes);
  reader->want(1, 1);
  const FrameBatch all = read_all(*reader);
  CHECK(all.frame.empty());
  CHECK(all.clockS == std::vector<double>{0.6});
  CHECK(reader->frames() == 2);
}

TEST_CASE("unsigned IMM counts reach 65535") {
  Bytes bytes;
  append_imm(bytes, true, {1}, {-1}, 0);
  ReaderOptions options = small_detector();
  options.unsignedCounts = true;
  CHECK(read_all(*imm(options)(bytes)).count == std::vector<std::int64_t>{65535});
}

TEST_CASE("dense IMM drops zeros and keeps the pixel index") {
  Bytes bytes;
  std::vector<std::int16_t> counts(20, 0);
  counts[4] = 3;
  counts[19] = 1;
  append_imm(bytes, false, {}, counts, 0);
  const FrameBatch all = read_all(*imm()(bytes));
  CHECK(all.pixel == std::vector<std::uint32_t>{4, 19});
  CHECK(all.count == std::vector<std::int64_t>{3, 1});
}

TEST_CASE("a truncated IMM file is refused with the frame and the byte, wherever it is cut") {
  const Bytes whole = sparse_imm();
  const std::size_t frameStarts[] = {1024 + 18, 2 * 1024 + 18};
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const bool atEdge = n == frameStarts[0] || n == frameStarts[1];
    std::string message;
    CHECK(refuses(imm(), Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)), &message) == !atEdge);
    if (!atEdge && n > 1024) {
      CHECK(message.find("at byte") != std::string::npos);
    }
  }
}

TEST_CASE("absurd IMM headers are refused without allocating what they announce") {
  Bytes bytes = sparse_imm();
  put<std::uint32_t>(bytes, 152, 0xFFFFFFFF);
  std::string message;
  CHECK(refuses(imm(), bytes, &message));
  CHECK(message.find("4294967295 values") != std::string::npos);
  bytes = sparse_imm();
  put<std::uint32_t>(bytes, 1024, 20);  // pixel outside 4 x 5
  CHECK(refuses(imm(), bytes, &message));
  CHECK(message.find("IMM frame 1 at byte 1024: pixel index 20") != std::string::npos);
  put<std::uint32_t>(bytes, 1024, 0xFFFFFFFF);
  CHECK(refuses(imm(), bytes));
  bytes = sparse_imm();
  put<std::int32_t>(bytes, 108, 40);
  CHECK(refuses(imm(), bytes, &message));
  CHECK(message.find("40 x 5") != std::string::npos);
}

TEST_CASE("Rigaku words: 24 bits of frame, 21 of pixel, 12 of count; both pixel orders; first frame") {
  Bytes bytes;
  append(bytes, rigaku_word(1, 6, 4095));
  append(bytes, rigaku_word(4, 19, 1));
  ReaderOptions options = small_detector();
  options.firstFrame = 1;
  options.pixelOrder = PixelOrder::column_major;
  const auto reader = rigaku(options)(bytes);
  const FrameBatch all = read_all(*reader);
  CHECK(all.frame == std::vector<std::uint32_t>{0, 3});
  CHECK(all.pixel == std::vector<std::uint32_t>{2 * 5 + 1, 19});  // 6: row 6 mod 4, column 6 div 4
  CHECK(all.count == std::vector<std::int64_t>{4095, 1});
  CHECK(reader->frames() == 4);
  CHECK(read_all(*rigaku()(bytes)).pixel == std::vector<std::uint32_t>{6, 19});
}

TEST_CASE("Rigaku mistakes are refused with the byte") {
  Bytes bytes;
  append(bytes, rigaku_word(0, 3, 1));
  append(bytes, rigaku_word(1, 20, 1));
  std::string message;
  CHECK(refuses(rigaku(), bytes, &message));
  CHECK(message.find("at byte 8: pixel 20 (frame 1)") != std::string::npos);
  ReaderOptions options = small_detector();
  options.firstFrame = 1;
  CHECK(refuses(rigaku(options), bytes, &message));
  CHECK(message.find("--first-frame 0") != std::string::npos);
  bytes.resize(13);
  CHECK(refuses(rigaku(), bytes, &message));
  CHECK(message.find("byte 8 has 5 of 8 bytes") != std::string::npos);
  CHECK(refuses(rigaku(), {}));
}

TEST_CASE("UFXC frame counters unwrap across 2048, with words out of order") {
  Bytes bytes;
  for (const std::uint32_t counter : {2046U, 2047U, 0U, 2047U, 1U}) append(bytes, counter << 21 | 1U << 15 | 7U);
  const FrameBatch all = read_all(*ufxc()(bytes));
  CHECK(all.frame == std::vector<std::uint32_t>{0, 1, 2, 1, 3});
  CHECK(all.count == std::vector<std::int64_t>(5, 1));
  Bytes back;
  for (const std::uint32_t counter : {0U, 2047U}) append(back, counter << 21 | 1U << 15);
  CHECK(refuses(ufxc(), back));  // a frame before the first word's
}

TEST_CASE("formats are told from their first bytes") {
  CHECK(detect_format(MemorySource(sparse_imm())) == Format::imm);
  Bytes events;
  for (std::uint64_t frame = 0; frame < 600; ++frame) append(events, rigaku_word(frame, frame % 20, 1));
  CHECK(detect_format(MemorySource(events)) == Format::rigaku);
  Bytes hdf{std::byte{0x89}, std::byte{'H'}, std::byte{'D'}, std::byte{'F'}, std::byte{'\r'}, std::byte{'\n'}, std::byte{0x1a}, std::byte{'\n'}};
  CHECK(detect_format(MemorySource(hdf)) == Format::hdf5);
  CHECK(detect_format(MemorySource(Bytes(5000))) == std::nullopt);
  CHECK(detect_format(MemorySource({})) == std::nullopt);
}

TEST_CASE("flipped bits never do worse than an error") {
  std::mt19937 random(21);
  Bytes events;
  for (std::uint64_t frame = 0; frame < 50; ++frame) append(events, rigaku_word(frame, frame % 20, 1));
  for (int round = 0; round < 4000; ++round) {
    for (const auto& [open, whole] : {std::pair(imm(), sparse_imm()), std::pair(rigaku(), events), std::pair(ufxc(), events)}) {
      Bytes bytes = whole;
      for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] ^= static_cast<std::byte>(1U << random() % 8);
      (void)refuses(open, bytes);
    }
  }
}
