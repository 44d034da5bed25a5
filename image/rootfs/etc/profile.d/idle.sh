# A shell that nobody types into for an hour ends
readonly TMOUT=3600
export TMOUT
