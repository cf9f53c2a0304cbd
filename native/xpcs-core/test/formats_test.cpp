// Readers of event and frame files: content, truncation, absurd headers, flipped bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "sample_files.hpp"
#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;
using namespace xpcs::samples;

namespace {

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

TEST_CASE("space that was reserved behind the frames of an IMM file is no frame, and the file's reader says so") {
  Bytes dense;
  for (const std::int16_t last : {3, 0}) append_imm(dense, false, {}, std::vector<std::int16_t>(20, last), 0.1);
  for (const Bytes& whole : {sparse_imm(), dense}) {
    const FrameBatch all = read_all(*imm()(whole));
    for (const std::size_t zeros : {std::size_t{1024}, std::size_t{1500}, std::size_t{300000}}) {
      Bytes reserved = whole;
      reserved.resize(whole.size() + zeros);
      const auto reader = imm()(reserved);
      const FrameBatch got = read_all(*reader);
      CHECK(got.frame == all.frame);
      CHECK(got.pixel == all.pixel);
      CHECK(got.count == all.count);
      CHECK(got.clockS == all.clockS);
      REQUIRE(reader->warnings().size() == 1);
      CHECK(reader->warnings()[0].find(std::to_string(zeros) + " bytes that its writer reserved") != std::string::npos);
      CHECK(reader->warnings()[0].find("before byte " + std::to_string(whole.size())) != std::string::npos);
    }
    CHECK(imm()(whole)->warnings().empty());
    Bytes little = whole;
    little.resize(whole.size() + 1023);
    CHECK(refuses(imm(), little));
  }
  // A sparse frame is written to its end once its last count is there; one that announces none ends with its header.
  const std::size_t third = 2 * 1024 + 18;
  const std::size_t announced = third + 153, counted = third + 1024 + 5;
  for (std::size_t cut = third; cut < third + 1024 + 6; ++cut) {
    Bytes bytes = sparse_imm();
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(cut), bytes.end(), std::byte{0});
    bytes.resize(bytes.size() + 4096);
    const auto reader = imm()(bytes);
    read_all(*reader);
    const bool isWhole = cut > third && (cut < announced || cut >= counted);
    CHECK(reader->frames() == (isWhole ? 3 : 2));
  }
  std::string message;
  CHECK(refuses(imm(), Bytes(5000), &message));
  CHECK(message.find("no frame that is written to its end") != std::string::npos);
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

TEST_CASE("the Rigaku frame counter unwraps at 2^24, words a little out of order included") {
  Bytes bytes;
  for (const std::uint64_t counter : {0U, 9000000U, 16777215U, 0U, 16777214U, 1U}) append(bytes, rigaku_word(counter, 3, 1));
  CHECK(read_all(*rigaku()(bytes)).frame == std::vector<std::uint32_t>{0, 9000000, 16777215, 16777216, 16777214, 16777217});
}

TEST_CASE("words of zeros at the end of a Rigaku file are no events, and the file's reader says so") {
  for (const std::uint64_t last : {30U, 9000000U}) {  // a counter of 0 behind the second would look like one that went round
    Bytes bytes;
    for (const std::uint64_t counter : {std::uint64_t{0}, last}) append(bytes, rigaku_word(counter, counter == 0 ? 1048576 : 1048579, 2));
    const std::size_t size = bytes.size();
    bytes.resize(size + 80000);
    const auto reader = rigaku()(bytes);
    const FrameBatch all = read_all(*reader);
    CHECK(all.pixel == std::vector<std::uint32_t>{0, 3});
    CHECK(reader->frames() == last + 1);
    REQUIRE(reader->warnings().size() == 1);
    CHECK(reader->warnings()[0].find("80000 bytes of zeros") != std::string::npos);
    bytes.resize(size);
    CHECK(rigaku()(bytes)->warnings().empty());
  }
  CHECK(refuses(rigaku(), Bytes(16)));
}

namespace {

struct CanvasEvent {
  std::uint32_t frame, row, column;
  std::int64_t count;
  auto operator<=>(const CanvasEvent&) const = default;
};

/// Six streams of random events, and what they must give. `moduleAt` says in words of its own where a module lies.
std::pair<std::vector<Bytes>, std::vector<CanvasEvent>> rigaku_3m(std::uint64_t frames, unsigned perFrame) {
  const std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> moduleAt{{5, {0, 0}},        {0, {0, 1076}}, {4, {582, 0}},
                                                                                   {1, {582, 1076}}, {3, {1164, 0}}, {2, {1164, 1076}}};
  std::mt19937 random(3);
  std::vector<Bytes> files(6);
  std::vector<CanvasEvent> events;
  for (std::uint32_t file = 0; file < 6; ++file) {
    for (std::uint64_t frame = 0; frame < frames; ++frame) {
      if (file == 2 && frame > frames / 2) break;  // one module ends early
      for (unsigned i = 0; i < random() % (perFrame + file * 20); ++i) {
        const std::uint32_t k = random() % (512 * 1024);
        const std::int64_t count = 1 + random() % 5;
        append(files[file], rigaku_word(frame, k + (file == 4 ? 1048576 : 0), static_cast<std::uint64_t>(count)));
        const auto [row, column] = moduleAt.at(file);
        events.push_back({static_cast<std::uint32_t>(frame), row + k / 1024, column + k % 1024, count});
      }
    }
  }
  std::sort(events.begin(), events.end());
  return {files, events};
}

std::unique_ptr<FrameReader> open_3m(const std::vector<Bytes>& files) {
  std::vector<NamedSource> sources;
  for (std::size_t i = 0; i < files.size(); ++i) sources.push_back({"m.bin.00" + std::to_string(i), std::make_unique<MemorySource>(files[i])});
  ReaderOptions options;
  options.height = 1676;
  options.width = 2100;
  return open_rigaku_modules(std::move(sources), options);
}

}  // namespace

TEST_CASE("Rigaku 3M: six streams merge in frame order, every module in its place") {
  const auto [files, expected] = rigaku_3m(9000, 60);
  const auto reader = open_3m(files);
  std::vector<CanvasEvent> got;
  FrameBatch batch;
  std::uint32_t before = 0;
  int batches = 0;
  while (reader->next(batch)) {
    ++batches;
    if (batch.frame.empty()) continue;
    // Frames of a batch may interleave by file, but no batch goes back behind the one before.
    CHECK(*std::min_element(batch.frame.begin(), batch.frame.end()) >= before);
    before = *std::max_element(batch.frame.begin(), batch.frame.end());
    for (std::size_t i = 0; i < batch.frame.size(); ++i) got.push_back({batch.frame[i], batch.pixel[i] / 2100, batch.pixel[i] % 2100, batch.count[i]});
  }
  std::sort(got.begin(), got.end());
  CHECK(got == expected);
  CHECK(batches >= 2);
  CHECK(reader->frames() == 9000);
}

TEST_CASE("a damaged module of a Rigaku 3M is named") {
  auto [files, expected] = rigaku_3m(3, 5);
  append(files[3], rigaku_word(2, 600000, 1));
  try {
    const auto reader = open_3m(files);
    read_all(*reader);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("of m.bin.003: pixel 600000") != std::string::npos);
  }
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
