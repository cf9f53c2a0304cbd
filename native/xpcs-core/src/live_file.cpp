#include "live_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

constexpr std::uint64_t kImmHeaderBytes = 1024;

}  // namespace

LiveFile::LiveFile(std::string path, Format format, const ReaderOptions& options) : path_(std::move(path)), format_(format), options_(options) {
  if (format != Format::imm) throw Error(Code::unsupported, path_ + ": a running measurement reads no " + format_name(format) + " files");
  options_.growing = true;
}

const LiveFrames& LiveFile::next(std::uint64_t most, bool ended) {
  frames_.frames = 0;
  frames_.batch.clear();
  frames_.rows.clear();
  waits_.clear();
  try {
    if (opened() && most > 0) read(most, ended);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(path_) != std::string::npos) throw;
    throw Error(error.code(), path_ + ": " + message);
  }
  return frames_;
}

bool LiveFile::opened() {
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) != 0) {
    const int why = errno;
    if (reader_ == nullptr && why == ENOENT) {
      waits_ = path_ + " is not there yet";
      return false;
    }
    throw Error(Code::io_failed, why == ENOENT ? path_ + " is not there any more" : "cannot look at " + path_ + ": " + std::strerror(why));
  }
  if (reader_ != nullptr) {
    if (facts.st_dev != device_ || facts.st_ino != inode_) throw Error(Code::io_failed, path_ + " was replaced by another file");
    return true;
  }
  if (static_cast<std::uint64_t>(facts.st_size) < kImmHeaderBytes) {
    waits_ = path_ + " has " + std::to_string(facts.st_size) + " bytes, less than the header of a frame";
    return false;
  }
  reader_ = open_imm(open_file(path_), options_);
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
  return true;
}

void LiveFile::read(std::uint64_t most, bool ended) {
  reader_->look(ended);
  reader_->want(taken_, taken_ + (most - 1));
  if (reader_->dense()) {
    if (!reader_->next_dense(frames_.batch, frames_.rows)) return;
    frames_.signedCounts = !options_.unsignedCounts;
  } else {
    if (!reader_->fetch(stored_)) return;
    stored_->decode(frames_.batch);
    stored_->check();
  }
  frames_.first = taken_;
  frames_.frames = reader_->frames() - taken_;
  taken_ = reader_->frames();
}

std::vector<std::string> LiveFile::warnings() const { return reader_ == nullptr ? std::vector<std::string>{} : reader_->warnings(); }

}  // namespace xpcs
